// What the end of a run says of the tasks that failed for good.

def failureText(trace) {
    def lines = trace.readLines()
    def header = lines[0].tokenize('\t')
    def tasks = lines.drop(1).collect { line -> [header, line.split('\t').toList()].transpose().collectEntries() }
    def done = tasks.findAll { task -> task.status in ['COMPLETED', 'CACHED'] }.collect { task -> task.name }.toSet()
    def failed = tasks.findAll { task -> task.status in ['FAILED', 'ABORTED'] && !(task.name in done) }.collectEntries { task -> [task.name, task] }
    if (!failed) {
        return null
    }
    def told = failed.values().collect { task -> "  - ${task.name} ended with ${task.exit}: ${lastWords(task.workdir)}\n    ${task.workdir}" }
    return "some tasks failed; the results of their samples are missing, those of the others are complete:\n${told.join('\n')}"
}

def lastWords(workdir) {
    def log = file("${workdir}/.command.err")
    def lines = log.exists() ? log.readLines().findAll { line -> line.trim() } : []
    def errors = lines.findAll { line -> line.contains('error:') }
    return errors ? errors.last() : lines ? lines.last() : 'it left no message'
}
