#!/usr/bin/env bash
# NATS: a server that was named on the command line refuses to reload anything, its renewed certificate included.
#
# Date:     2026-11-29
# Versions: nats-server 2.15.2 (Go module)
# Guess:    flags win over the file, also when it is read again, as --user and --pass do; so --name is as good as server_name.
# Seen:     with --name each reload ends with "config reload not supported for ServerName: old=..., new=", and the old
#           certificate stays until the restart, of which only the log tells. With server_name in the file, there as a
#           variable of the environment if need be, the new certificate is shown.
# Output:   named by --name: certificate 1 before, 1 after the reload; log: config reload not supported for ServerName
#           named in the file: certificate 1 before, 2 after the reload
set -euo pipefail

work=$(mktemp -d)
trap 'kill -9 -- "-${job:-}" 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"
(mkdir module && cd module && go mod init reload && go get github.com/nats-io/nats-server/v2@v2.15.2 &&
  go build -o "$work/nats-server" github.com/nats-io/nats-server/v2) 2> go.log || { cat go.log; exit 1; }
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt 2> /dev/null
for serial in 1 2; do
  openssl req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout "$serial.key" -out tls.csr 2> /dev/null
  openssl x509 -req -in tls.csr -CA ca.crt -CAkey ca.key -set_serial "$serial" -days 2 -out "$serial.crt" 2> /dev/null
done

set -m # a process group of its own, which the trap ends
python3 - << 'END' &
import os, pathlib, random, re, shutil, signal, socket, ssl, subprocess, time

def certificate(serial):
    for kind in ("crt", "key"):
        shutil.copy(f"{serial}.{kind}", f"tls.{kind}")

def shown(port):
    """The serial number of the certificate that a new connection gets."""
    context = ssl.create_default_context(cafile="ca.crt")
    context.check_hostname = False
    with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
        plain.recv(4096)
        with context.wrap_socket(plain) as secure:
            return int(secure.getpeercert()["serialNumber"], 16)

def reloaded(line, *flags):
    """The certificates before and after a reload, and the log."""
    port = random.randrange(20000, 32000)
    pathlib.Path("nats.conf").write_text(f'port: {port}, {line} tls: {{cert_file: "tls.crt", key_file: "tls.key"}}')
    certificate(1)
    with open("log", "w") as log:
        command = ["./nats-server", "--config=nats.conf", *flags]
        server = subprocess.Popen(command, stdout=log, stderr=log, env={"NAME": "a-0"})
    for _ in range(100):
        time.sleep(0.1)
        if "Server is ready" in pathlib.Path("log").read_text():
            break
    before = shown(port)
    certificate(2)
    server.send_signal(signal.SIGHUP)
    time.sleep(2)
    after = shown(port)
    server.kill()
    return before, after, pathlib.Path("log").read_text()

by_flag = reloaded("", "--name=a-0")
in_file = reloaded("server_name: $NAME,")
said = re.search(r"config reload not supported for \w+", by_flag[2])
print(f"named by --name: certificate {by_flag[0]} before, {by_flag[1]} after the reload; log: {said and said[0]}")
print(f"named in the file: certificate {in_file[0]} before, {in_file[1]} after the reload")

assert by_flag[:2] == (1, 1) and said
assert in_file[:2] == (1, 2)
END
job=$!
wait $job
