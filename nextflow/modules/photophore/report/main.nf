process PHOTOPHORE_REPORT {
    tag "${meta.id}"
    label 'process_single'

    conda "${moduleDir}/environment.yml"
    container "${workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container
        ? 'docker://photophore:0.1.0'
        : 'photophore:0.1.0'}"

    input:
    tuple val(meta), path(runs, stageAs: 'runs?/*')

    output:
    tuple val(meta), path("${prefix}.html"), emit: html
    tuple val(meta), path("${prefix}.tsv"), emit: tsv
    tuple val("${task.process}"), val('photophore'), eval('photophore --version'), emit: versions_photophore, topic: versions

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    photophore report \\
        ${runs} \\
        ${args} \\
        --output ${prefix}.html \\
        --tsv ${prefix}.tsv
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.html ${prefix}.tsv
    """
}
