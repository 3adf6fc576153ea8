# Sourced by the stages: what the README tells a user to type is what they run.

# Print the N-th block of shell commands of a README (default: our own).
readme_commands() {
    awk -v wanted="$1" '/^```bash$/ {n++; on = (n == wanted); next} /^```$/ {on = 0} on' "${2:-README.md}"
}
