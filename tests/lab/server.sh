# The inside of one server of the laboratory, run as the init of its own namespaces:
#   sh server.sh FOLDER HOSTNAME HOME KEPT...
# FOLDER holds home/, tmp/ and etc/; KEPT are paths that stay visible where HOME or /tmp would hide them.
# Ends, and the kernel with it ends every process of the server, when its standard input ends.
set -eu
folder=$1 host=$2 home=$3
shift 3
hostname "$host"
mount -t tmpfs -o mode=755 lab /mnt
mkdir /mnt/server
mount --bind "$folder" /mnt/server
number=0
for path in "$@"; do
    number=$((number + 1))
    mkdir /mnt/$number
    mount --rbind "$path" /mnt/$number
done
mount --bind /mnt/server/home "$home"
mount --bind /mnt/server/tmp /tmp
mount -t tmpfs lab /dev/shm
mount -t tmpfs -o mode=755 lab /run
mkdir /run/sshd
mount --bind /mnt/server/etc/shadow /etc/shadow
number=0
for path in "$@"; do
    number=$((number + 1))
    mkdir -p "$path"
    mount --rbind /mnt/$number "$path"
done
ip link set lo up
echo ready
exec env --ignore-signal=CHLD cat > /dev/null # what is left behind here is reaped by the kernel
