// Proteins of samples, cut into shards, annotated with each database, and put together again.

include { PHOTOPHORE_ANNOTATE } from '../modules/photophore/annotate/main.nf'
include { PHOTOPHORE_MERGE } from '../modules/photophore/merge/main.nf'
include { PHOTOPHORE_SPLIT } from '../modules/photophore/split/main.nf'

workflow ANNOTATE {
    take:
    ch_proteins  // [ [id: sample], FASTA file ]
    ch_databases // [ [id: database], folder, or [] where Photophore brings it ]
    weights      // file and what stands beside it, or []

    main:
    PHOTOPHORE_SPLIT(ch_proteins)

    ch_work = PHOTOPHORE_SPLIT.out.shards
        .flatMap { meta, shards -> shards.collect { shard -> [meta + [shards: shards.size()], shard] } }
        .combine(ch_databases)
        .multiMap { meta, shard, meta2, database ->
            shard: [[id: "${meta.id}.${meta2.id}.${shard.name}", sample: meta.id, shards: meta.shards, database: meta2.id], shard]
            database: [meta2, database]
        }
    PHOTOPHORE_ANNOTATE(ch_work.shard, ch_work.database, weights)

    // A sample is merged as soon as its last shard is done; one of which a shard failed never is.
    ch_runs = PHOTOPHORE_ANNOTATE.out.results
        .map { meta, run -> [groupKey([id: "${meta.database}/${meta.sample}", sample: meta.sample, database: meta.database], meta.shards), run] }
        .groupTuple()
        .map { key, runs -> [key.target, runs.toSorted { run -> run.name }] }
    PHOTOPHORE_MERGE(ch_runs)
    results = PHOTOPHORE_MERGE.out.results // [ [id: database/sample, sample: sample, database: database], folder ]

    emit:
    results
}
