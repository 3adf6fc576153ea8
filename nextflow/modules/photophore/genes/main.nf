process PHOTOPHORE_GENES {
    tag "${meta.id}"
    label 'process_low'

    conda "${moduleDir}/environment.yml"
    container "${workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container
        ? 'docker://photophore:0.1.0'
        : 'photophore:0.1.0'}"

    input:
    tuple val(meta), path(contigs)

    output:
    tuple val(meta), path("${prefix}.faa"), emit: proteins
    tuple val(meta), path("${prefix}.gff"), emit: gff
    tuple val("${task.process}"), val('photophore'), eval('photophore --version'), emit: versions_photophore, topic: versions
    tuple val("${task.process}"), val('pyrodigal'), eval('python -c "import pyrodigal; print(pyrodigal.__version__)"'), emit: versions_pyrodigal, topic: versions

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    photophore genes \\
        ${contigs} \\
        --threads ${task.cpus} \\
        ${args} \\
        --output ${prefix}.faa \\
        --gff ${prefix}.gff
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.faa ${prefix}.gff
    """
}
