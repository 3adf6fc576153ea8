// What the user gave, checked as a whole before anything runs: every problem is told, with its place.

// Stop with all problems at once.
def refuse(what, problems) {
    if (problems) {
        error("${what}:\n${problems.collect { problem -> "  - ${problem}" }.join('\n')}")
    }
}

// The one of `known` that a mistyped word may stand for, as a hint.
def nearMiss(word, known) {
    def near = known.findAll { name -> name.startsWith(word.toLowerCase().take(3)) || name.contains(word.toLowerCase()) }
    return near ? "; did you mean ${near.collect { name -> "--${name}" }.join(' or ')}?" : ''
}

// All properties of the schema, by name.
def schemaProperties(schema) {
    def parsed = new groovy.json.JsonSlurper().parseText(file(schema).text)
    return parsed['$defs'].values().collectEntries { group ->
        group.properties.collectEntries { name, facts -> [name, facts + [required: name in (group.required ?: [])]] }
    }
}

def helpText(schema) {
    def parsed = new groovy.json.JsonSlurper().parseText(file(schema).text)
    def groups = parsed['$defs'].values().collect { group ->
        def lines = group.properties.collect { name, facts ->
            def standard = facts['default'] == null ? '' : " [${facts['default']}]"
            "  --${name.padRight(18)} ${facts.description}${standard}"
        }
        "${group.title}\n${lines.join('\n')}"
    }
    return "${parsed.title}\n\nnextflow run photophore/nextflow --input samplesheet.csv --outdir results -profile docker\n\n${groups.join('\n\n')}\n"
}

// What is wrong with one value, or null.
def valueProblem(name, value, facts) {
    def wanted = [facts.type].flatten()
    if (wanted.contains('integer') && !(value.toString() ==~ /-?\d+/)) {
        return "--${name} is '${value}'; give a whole number"
    }
    if (wanted.contains('boolean') && !(value.toString() in ['true', 'false'])) {
        return "--${name} is '${value}'; give true or false"
    }
    if (wanted.contains('string') && value instanceof Boolean) {
        return "--${name} has no value; ${facts.description.uncapitalize()}"
    }
    if (facts.minimum != null && value.toString().toLong() < facts.minimum) {
        return "--${name} is ${value}; give at least ${facts.minimum}"
    }
    if (facts['enum'] && !(value.toString() in facts['enum'])) {
        return "--${name} is '${value}'; choose from ${facts['enum'].join(', ')}"
    }
    if (facts.format in ['file-path', 'path'] && facts.exists && !file(value).exists()) {
        return "--${name}: there is no ${value}; check the path"
    }
    return null
}

def checkParameters(given, schema) {
    def known = schemaProperties(schema)
    def problems = given.keySet()
        .findAll { name -> !known.containsKey(name) && !name.contains('-') }
        .collect { name -> "--${name} is no parameter${nearMiss(name, known.keySet())}" }
    known.each { name, facts ->
        def value = given[name]
        if (value == null) {
            if (facts.required) {
                problems << "--${name} is missing: ${facts.description.uncapitalize()}"
            }
            return
        }
        def problem = valueProblem(name, value, facts)
        if (problem) {
            problems << problem
        }
    }
    refuse('the parameters cannot be used', problems)
}

// Databases as [meta, folder or []]: a name without a slash is one that Photophore brings, anything else a folder; 'none' is none.
def checkedDatabases(text) {
    def databases = text.tokenize(',').collect { name -> name.trim() }.findAll { name -> name && name != 'none' }.collect { name ->
        name.contains('/') ? [[id: file(name).name], file(name)] : [[id: name], []]
    }
    def problems = []
    databases.each { meta, folder ->
        if (folder && !file("${folder}/manifest.json").exists()) {
            problems << "${folder} is no database: it holds no manifest.json; photophore db build makes one"
        }
        if (!folder && file(meta.id).exists()) {
            problems << "'${meta.id}' is taken for a database that Photophore brings; if you mean the folder, write ./${meta.id}"
        }
    }
    def names = databases.collect { meta, _folder -> meta.id }
    names.toSorted().unique().findAll { name -> names.count(name) > 1 }.each { name -> problems << "two databases are called '${name}'; rename one folder" }
    refuse('--databases cannot be used', problems)
    return databases
}

// The file of the weights, then those that stand beside it under the same name: exports for other runtimes, and their facts.
def checkedWeights(path) {
    if (!path) {
        return []
    }
    def first = file(path)
    def beside = file("${first.parent}/${first.simpleName}.*").findAll { other -> other != first }
    return [first] + beside.sort()
}

// Samples as [id, proteins, contigs]; the last two are a file or null. Paths are taken from the folder of the sheet.
def checkedSamples(sheet) {
    def separator = sheet.name.endsWith('.tsv') ? '\t' : ','
    def rows = sheet.readLines().withIndex(1).findAll { line, _number -> line.trim() }.collect { line, number ->
        [number: number, cells: line.split(separator, -1).collect { cell -> cell.trim().replaceAll('^"|"$', '') }]
    }
    if (!rows) {
        error("${sheet}: is empty; it needs the header 'sample,proteins,contigs' and a row for each sample")
    }
    def header = rows[0].cells
    refuse("${sheet} cannot be used", headerProblems(header, rows[0].number))
    if (rows.size() == 1) {
        error("${sheet}: has a header but no samples; add a row for each")
    }
    def problems = []
    def seen = [:]
    def samples = rows.drop(1).collect { row ->
        if (row.cells.size() != header.size()) {
            problems << "row ${row.number}: has ${row.cells.size()} columns, the header has ${header.size()}"
            return null
        }
        def cells = [header, row.cells].transpose().collectEntries()
        def sample = [id: cells.sample, proteins: resolved(cells.proteins, sheet), contigs: resolved(cells.contigs, sheet)]
        problems.addAll(rowProblems(sample, seen, row.number))
        seen.putIfAbsent(sample.id, row.number)
        return sample
    }
    refuse("${sheet} cannot be used", problems)
    return samples
}

def headerProblems(header, number) {
    def known = ['sample', 'proteins', 'contigs']
    def problems = header.withIndex(1)
        .findAll { name, _column -> !(name in known) }
        .collect { name, column -> "row ${number}, column ${column}: there is no column '${name}'; the columns are ${known.join(', ')}" }
    header.toSorted().unique().findAll { name -> header.count(name) > 1 }.each { name -> problems << "row ${number}: column '${name}' stands twice" }
    if (!('sample' in header)) {
        problems << "row ${number}: the column 'sample' is missing"
    }
    if (!('proteins' in header) && !('contigs' in header)) {
        problems << "row ${number}: the columns 'proteins' and 'contigs' are both missing; one is needed"
    }
    return problems
}

def rowProblems(sample, seen, number) {
    def problems = []
    if (!(sample.id ==~ /[A-Za-z0-9][A-Za-z0-9._-]*/)) {
        problems << "row ${number}, column 'sample': '${sample.id}' is no name; use letters, digits, '.', '_' and '-'"
    }
    else if (seen.containsKey(sample.id)) {
        problems << "row ${number}, column 'sample': '${sample.id}' stands in row ${seen[sample.id]} too; names must differ"
    }
    if (sample.proteins && sample.contigs) {
        problems << "row ${number}, column 'contigs': the row has proteins as well; give one of both"
    }
    if (!sample.proteins && !sample.contigs) {
        problems << "row ${number}, column 'proteins': the row has neither proteins nor contigs; give one of both"
    }
    [proteins: sample.proteins, contigs: sample.contigs].each { column, path ->
        if (path && !path.exists()) {
            problems << "row ${number}, column '${column}': there is no file ${path}"
        }
        else if (path && path.isDirectory()) {
            problems << "row ${number}, column '${column}': ${path} is a folder; name a FASTA file"
        }
    }
    return problems
}

def resolved(cell, sheet) {
    if (!cell) {
        return null
    }
    return cell.startsWith('/') || cell.contains('://') ? file(cell) : sheet.parent.resolve(cell).normalize()
}
