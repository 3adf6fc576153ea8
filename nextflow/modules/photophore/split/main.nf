process PHOTOPHORE_SPLIT {
    tag "${meta.id}"
    label 'process_single'

    conda "${moduleDir}/environment.yml"
    container "${workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container
        ? 'docker://photophore:0.1.0'
        : 'photophore:0.1.0'}"

    input:
    tuple val(meta), path(fasta)

    output:
    tuple val(meta), path("${prefix}/shard-*", type: 'dir', arity: '1..*'), emit: shards
    tuple val("${task.process}"), val('photophore'), eval('photophore --version'), emit: versions_photophore, topic: versions

    script:
    def args = task.ext.args ?: '--shards 1'
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    photophore split \\
        ${fasta} \\
        ${args} \\
        --output ${prefix}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    mkdir -p ${prefix}/shard-1 ${prefix}/shard-2
    touch ${prefix}/shard-{1,2}/{1.faa,shard.json}
    """
}
