process PHOTOPHORE_MERGE {
    tag "${meta.id}"
    label 'process_single'

    conda "${moduleDir}/environment.yml"
    container "${workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container
        ? 'docker://photophore:0.1.0'
        : 'photophore:0.1.0'}"

    input:
    tuple val(meta), path(runs, stageAs: 'runs/*')

    output:
    tuple val(meta), path("${prefix}", type: 'dir'), emit: results
    tuple val("${task.process}"), val('photophore'), eval('photophore --version'), emit: versions_photophore, topic: versions

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    photophore merge \\
        ${runs} \\
        ${args} \\
        --output ${prefix}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    mkdir -p ${prefix}
    touch ${prefix}/annotations.{tsv,gff3,jsonl,parquet} ${prefix}/hits.domtblout ${prefix}/{proteins,failures}.tsv ${prefix}/run.json
    """
}
