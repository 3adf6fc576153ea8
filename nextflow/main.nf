#!/usr/bin/env nextflow

include { checkedSamples ; checkedDatabases ; checkedWeights ; checkParameters ; helpText } from './subworkflows/input.nf'
include { failureText } from './subworkflows/failures.nf'
include { ANNOTATE } from './subworkflows/annotate.nf'
include { PHOTOPHORE_DBBUILD } from './modules/photophore/dbbuild/main.nf'
include { PHOTOPHORE_GENES } from './modules/photophore/genes/main.nf'
include { PHOTOPHORE_REPORT } from './modules/photophore/report/main.nf'

workflow {
    main:
    def schema = "${projectDir}/nextflow_schema.json"
    if (params.help) {
        println(helpText(schema))
        return null
    }
    checkParameters(params, schema)
    def samples = checkedSamples(file(params.input))
    def bundled = checkedDatabases(params.databases)
    def weights = checkedWeights(params.weights)

    // Proteins: as given, or of the genes of contigs.
    PHOTOPHORE_GENES(channel.fromList(samples.findAll { sample -> sample.contigs }.collect { sample -> [[id: sample.id], sample.contigs] }))
    ch_proteins = channel
        .fromList(samples.findAll { sample -> sample.proteins }.collect { sample -> [[id: sample.id], sample.proteins] })
        .mix(PHOTOPHORE_GENES.out.proteins)

    // Databases: bundled ones by name, folders, and one that is built here.
    def profiles = params.profiles ? [[[id: file(params.profiles).simpleName], file(params.profiles, checkIfExists: true)]] : []
    PHOTOPHORE_DBBUILD(channel.fromList(profiles), weights)
    ch_databases = channel.fromList(bundled).mix(PHOTOPHORE_DBBUILD.out.database)

    ANNOTATE(ch_proteins, ch_databases, weights)

    // One report over all that came through.
    PHOTOPHORE_REPORT(
        ANNOTATE.out.results
            .toSortedList { a, b -> a[0].id <=> b[0].id }
            .filter { results -> results }
            .map { results -> [[id: 'photophore'], results.collect { result -> result[1] }] }
    )

    channel.topic('versions')
        .map { task, tool, version -> [task.tokenize(':').last(), "    ${tool}: ${version}"] }
        .unique()
        .groupTuple(sort: true)
        .map { task, tools -> "${task}:\n${tools.join('\n')}" }
        .collectFile(name: 'versions.yml', storeDir: "${params.outdir}/pipeline_info", newLine: true, sort: true)

    workflow.onComplete = {
        def trace = file(workflow.session.config.trace.file)
        if (trace.exists()) {
            trace.copyTo("${params.outdir}/pipeline_info/trace.txt")
            def text = failureText(trace)
            if (text) {
                log.error(text)
            }
        }
    }
}
