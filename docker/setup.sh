#!/bin/sh
# What a guild needs at its first start and nobody should have to type: registers it at Center, and leaves its keys
# where only that guild reads them. Run at every start; keys that are there and valid stay as they are.
#
#   fabric-setup NODE_ID ENDPOINT [FOLDER]
set -eu
umask 077
node_id=$1 endpoint=$2 folder=${3:-/secrets}

fabric-center node register --node-id "$node_id" --name "$node_id" --endpoint "$endpoint" \
  --key-file "$folder/center-api-key"

if [ ! -s "$folder/commands-sync-key" ]; then
  head -c 32 /dev/urandom | base64 > "$folder/commands-sync-key.new"
  # Under its own name it is there as a whole or not at all.
  mv "$folder/commands-sync-key.new" "$folder/commands-sync-key"
fi
