#!/usr/bin/env bash
# Puts Nextflow 25.04.4 into a folder and prints the path of its launcher: install_nextflow.sh FOLDER
# Needs a Java of 17 or later and Maven (Debian: apt-get install openjdk-17-jre-headless maven); asks for neither root nor the
# installer of Nextflow, whose site may be out of reach. What it fetches is listed in pom.xml. A folder that is complete is left alone.
set -euo pipefail

(($# == 1)) || { echo "usage: $0 FOLDER" >&2; exit 2; }
for program in java mvn; do
    command -v "$program" >/dev/null || { echo "$0: there is no $program; install a Java of 17 or later and Maven" >&2; exit 1; }
done
pom=$(dirname "$(readlink -f "$0")")/pom.xml
mkdir -p "$1/bin"
folder=$(readlink -f "$1")

if [[ ! -e $folder/jars/complete ]]; then
    rm -rf "$folder/jars"
    mvn --batch-mode --quiet --file "$pom" dependency:copy-dependencies -DoutputDirectory="$folder/jars" >&2
    touch "$folder/jars/complete"
fi

# Nextflow reaches into these packages of Java, which it has to be allowed to.
packages=(
    java.io java.lang java.net java.nio java.util java.util.concurrent.atomic java.util.concurrent.locks java.util.regex
    jdk.internal.misc jdk.internal.vm sun.net.www.protocol.file sun.net.www.protocol.ftp sun.net.www.protocol.http
    sun.net.www.protocol.https sun.nio.ch sun.nio.fs
)
{
    echo '#!/usr/bin/env bash'
    echo "# Starts the Nextflow of the folder above, without plugins and without looking for a newer one."
    echo 'export NXF_OFFLINE=${NXF_OFFLINE:-true} NXF_PLUGINS_DEFAULT=${NXF_PLUGINS_DEFAULT:-false} NXF_DISABLE_CHECK_LATEST=true'
    echo 'jars=$(dirname "$(readlink -f "$0")")/../jars'
    echo 'exec java -XX:+TieredCompilation -XX:TieredStopAtLevel=1 \'
    printf '    --add-opens=java.base/%s=ALL-UNNAMED \\\n' "${packages[@]}"
    echo '    ${NXF_OPTS:-} -cp "$jars/*" nextflow.cli.Launcher "$@"'
} >"$folder/bin/nextflow"
chmod +x "$folder/bin/nextflow"
echo "$folder/bin/nextflow"
