# Sourced by the stages: what the README tells a user to type is what they run.

# Print the README's N-th block of shell commands.
readme_commands() {
    awk -v wanted="$1" '/^```bash$/ {n++; on = (n == wanted); next} /^```$/ {on = 0} on' README.md
}
