#!/bin/sh
# Make the certificates anew: an authority, two servers, a client, and a client of an authority that nobody trusts.
set -eu
cd "$(dirname "$0")"

authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj "/CN=$1" \
    -keyout "$1.key" -out "$1.pem" -addext basicConstraints=critical,CA:TRUE 2>/dev/null
}

signed() { # name, authority, subject alternative name
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr" 2>/dev/null
  printf 'subjectAltName=%s\nauthorityKeyIdentifier=keyid\n' "$3" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -days 36500 -extfile "$1.ext" -out "$1.pem" 2>/dev/null
  rm "$1.csr" "$1.ext"
}

authority ca
authority stranger-ca
signed server ca DNS:localhost,IP:127.0.0.1
signed server-2 ca DNS:localhost,IP:127.0.0.1
signed client ca DNS:client
signed stranger stranger-ca DNS:stranger
rm -f ./*.srl ca.key stranger-ca.key
chmod 600 ./*.key
