#!/usr/bin/env bash
# Run a Slurm of one node on the loopback interface, in DIR and nowhere else; as root, with Debian's slurm-wlm and munge.
# usage: eval "$(start_slurm.sh DIR)"; afterwards sbatch, squeue and scancel reach it. `start_slurm.sh DIR stop` ends it.
# The node claims 4 CPUs and 64 GB, so that jobs queue by what they ask for, not by what this machine happens to have.
# DIR has to be short, for the path of a socket, and open to everyone down from the root, for munge.
set -euo pipefail
mkdir -p "$1"
chmod 755 "$1"
dir=$(cd "$1" && pwd)
host=$(hostname --short)

stop() {
    if [[ -s $dir/slurmctld.pid ]]; then
        export SLURM_CONF=$dir/slurm.conf
        scancel --user="$(id --user --name)" 2>/dev/null || true
        for _ in {1..100}; do
            [[ $(squeue --noheader 2>/dev/null) ]] || break
            sleep 0.1
        done
    fi
    for daemon in slurmd slurmctld munged; do
        [[ -s $dir/$daemon.pid ]] || continue
        pid=$(<"$dir/$daemon.pid")
        kill "$pid" 2>/dev/null || true
        for _ in {1..50}; do
            kill -0 "$pid" 2>/dev/null || continue 2
            sleep 0.1
        done
        kill -KILL "$pid"
    done
}

free_ports() { # $1 ports that nobody listens on just now
    python3 -c '
import socket, sys
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in sockets))' "$1"
}

if [[ ${2:-} == stop ]]; then
    stop
    exit 0
fi
trap 'stop; tail --lines=20 "$dir"/*.log >&2' ERR

read -r controller_port node_port < <(free_ports 2)
cat > "$dir/slurm.conf" <<CONF
ClusterName=photophore
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller_port
SlurmdPort=$node_port
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.socket
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/slurmctld.log
SlurmdLogFile=$dir/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=5
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 RealMemory=64000 State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
mkdir -p "$dir/state" "$dir/spool"
(umask 077 && head --bytes=1024 /dev/urandom > "$dir/munge.key")

export SLURM_CONF=$dir/slurm.conf
# munge watches over the folders it writes to; --force: a folder below /tmp, where anyone may write, is known and meant.
munged --force --key-file="$dir/munge.key" --socket="$dir/munge.socket" --pid-file="$dir/munged.pid" \
    --log-file="$dir/munged.log" --seed-file="$dir/munge.seed" 2> "$dir/munged.start.log"
slurmctld -f "$SLURM_CONF"
slurmd -f "$SLURM_CONF"
for _ in {1..300}; do
    [[ $(sinfo --noheader --format=%t 2>/dev/null) == idle ]] && break
    sleep 0.1
done
[[ $(sinfo --noheader --format=%t) == idle ]]
echo "export SLURM_CONF=$SLURM_CONF"
