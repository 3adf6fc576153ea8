process PHOTOPHORE_DBBUILD {
    tag "${meta.id}"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container "${workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container
        ? 'docker://photophore:0.1.0'
        : 'photophore:0.1.0'}"

    input:
    tuple val(meta), path(sources)
    path weights

    output:
    tuple val(meta), path("${prefix}", type: 'dir'), emit: database
    tuple val("${task.process}"), val('photophore'), eval('photophore --version'), emit: versions_photophore, topic: versions

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    def encoder = weights ? "--set encoder.weights=${[weights].flatten().first()}" : ''
    """
    photophore db build \\
        ${sources} \\
        ${encoder} \\
        --threads ${task.cpus} \\
        ${args} \\
        --output ${prefix}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    mkdir ${prefix}
    touch ${prefix}/manifest.json
    """
}
