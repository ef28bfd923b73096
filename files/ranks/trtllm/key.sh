# The worker's ssh key, in a folder of its own: $dir/key, and $public. ssh accepts no key that others can read, and a
# mounted Secret belongs to root.
dir=$(mktemp -d)
install -m 600 /etc/mpi-ssh/private.key "$dir/key"
public=$(ssh-keygen -y -f "$dir/key")
