process PHOTOPHORE_ANNOTATE {
    tag "${meta.id}"
    label 'process_medium'

    conda "${moduleDir}/environment.yml"
    container "${workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container
        ? "docker://photophore:0.1.0${task.accelerator ? '-cuda' : ''}"
        : "photophore:0.1.0${task.accelerator ? '-cuda' : ''}"}"

    input:
    tuple val(meta), path(fasta)
    tuple val(meta2), path(database)
    path weights

    output:
    tuple val(meta), path("${prefix}", type: 'dir'), emit: results
    tuple val("${task.process}"), val('photophore'), eval('photophore --version'), emit: versions_photophore, topic: versions

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    def encoder = weights ? "--set encoder.weights=${[weights].flatten().first()}" : ''
    def device = task.accelerator ? 'cuda' : 'cpu'
    """
    photophore annotate \\
        ${fasta} \\
        --database ${database ?: meta2.id} \\
        ${encoder} \\
        --threads ${task.cpus} \\
        --device ${device} \\
        ${args} \\
        --output ${prefix}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    mkdir ${prefix}
    touch ${prefix}/annotations.{tsv,gff3,jsonl,parquet} ${prefix}/hits.domtblout ${prefix}/{proteins,failures}.tsv ${prefix}/run.json
    """
}
