#!/usr/bin/env bash
# Run a Galaxy on the loopback interface with the tools of this checkout, in DIR and nowhere else.
# usage: eval "$(start_galaxy.sh GALAXY DIR BIN)", where GALAXY is the environment that install_galaxy.sh made and BIN the folder of
# the photophore that the tools shall run; `start_galaxy.sh GALAXY DIR stop` ends it.
# It prints GALAXY_URL, GALAXY_KEY (the key of a user who is an administrator too), GALAXY_USER, GALAXY_PASSWORD and GALAXY_TOOLS (the
# copy of galaxy_tools that it serves: a data manager writes into the tables beside the tools). Needs Debian's redis-server.
# Nothing but loopback is spoken to: no conda, no containers. About 3 GB of memory.
set -euo pipefail
galaxy=$(realpath "$1")
mkdir -p "$2"
dir=$(realpath "$2")

stop() {
    local name pid
    for name in web celery redis; do
        [[ -s $dir/$name.pid ]] || continue
        pid=$(<"$dir/$name.pid")
        kill -TERM -- "-$pid" 2>/dev/null || continue
        for _ in {1..40}; do
            kill -0 -- "-$pid" 2>/dev/null || continue 2
            sleep 0.25
        done
        kill -KILL -- "-$pid" 2>/dev/null || true
    done
}
if [[ $3 == stop ]]; then
    stop
    exit 0
fi
bin=$(realpath "$3")
command -v redis-server >/dev/null || { echo "there is no redis-server; .ci/55-galaxy.sh installs it on Debian" >&2; exit 1; }
trap 'stop; tail --lines=30 "$dir"/*.log >&2' ERR

mkdir -p "$dir/config" "$dir/data" "$dir/packages"
cp --recursive --dereference "$(dirname "${BASH_SOURCE[0]}")/../../../galaxy_tools" "$dir/tools"
key=$(head --bytes=16 /dev/urandom | od -An -tx1 | tr -d ' \n')
read -r port redis < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in sockets))')
url=http://127.0.0.1:$port
"$galaxy/bin/python" "$(dirname "${BASH_SOURCE[0]}")/configure.py" "$dir" "$bin"

cat > "$dir/config/galaxy.yml" <<YAML
galaxy:
  config_dir: $dir/config
  data_dir: $dir/data
  tool_config_file: $dir/config/tool_conf.xml
  tool_data_table_config_path: $dir/tools/tool_data_table_conf.xml.test
  data_manager_config_file: $dir/config/data_manager_conf.xml
  galaxy_data_manager_data_path: $dir/data/databases
  bootstrap_admin_api_key: $key
  admin_users: tester@example.org
  id_secret: $key
  galaxy_infrastructure_url: $url
  check_migrate_tools: false
  cleanup_job: onsuccess
  sanitize_allowlist_file: $dir/config/sanitize_allowlist.txt
  conda_auto_init: false
  conda_auto_install: false
  tool_dependency_dir: $dir/packages
  dependency_resolvers: [{type: galaxy_packages}]
  enable_mulled_containers: false
  involucro_auto_init: false
  container_resolvers: []
  edam_panel_views: ''
  job_handler_monitor_sleep: 0.2
  job_runner_monitor_sleep: 0.2
  enable_celery_tasks: true
  metadata_strategy: directory_celery
  celery_conf:
    result_backend: redis://127.0.0.1:$redis/1
    broker_url: redis://127.0.0.1:$redis/0
    task_routes:
      galaxy.fetch_data: galaxy.external
      galaxy.set_job_metadata: galaxy.external
  job_config:
    runners:
      local: {load: 'galaxy.jobs.runners.local:LocalJobRunner', workers: 2}
    execution:
      default: local
      environments:
        local: {runner: local, local_slots: 2}
YAML

start() { # $1 name, $2... command: as a group of its own, in DIR
    local name=$1
    shift
    (cd "$dir" && exec env -u PYTHONPATH -u VIRTUAL_ENV GALAXY_CONFIG_FILE="$dir/config/galaxy.yml" setsid "$@") > "$dir/$name.log" 2>&1 &
    echo $! > "$dir/$name.pid"
}
start redis redis-server --bind 127.0.0.1 --port "$redis" --save '' --appendonly no --dir "$dir"
start web "$galaxy/bin/galaxy-web" -c "$dir/config/galaxy.yml" -b "127.0.0.1:$port"
start celery "$galaxy/bin/celery" --app galaxy.celery worker --concurrency 2 --pool threads \
    --queues celery,galaxy.internal,galaxy.external --loglevel INFO

for _ in {1..600}; do
    curl --silent --fail --output /dev/null "$url/api/version" && break
    kill -0 "$(<"$dir/web.pid")"
    sleep 0.5
done
"$galaxy/bin/python" - "$url" "$key" <<'PYTHON'
import sys

import requests

url, key = sys.argv[1:]
account = {"username": "tester", "email": "tester@example.org", "password": "loopback-only"}
headers = {"x-api-key": key}
answer = requests.post(f"{url}/api/users", headers=headers, json=account, timeout=60)
answer.raise_for_status()
answer = requests.post(f"{url}/api/users/{answer.json()['id']}/api_key", headers=headers, timeout=60)
answer.raise_for_status()
print(f"export GALAXY_URL={url} GALAXY_KEY={answer.json()} GALAXY_USER={account['email']} GALAXY_PASSWORD={account['password']}")
PYTHON
echo "export GALAXY_TOOLS=$dir/tools"
