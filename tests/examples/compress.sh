#!/bin/bash
# Compresses the exports of a kind, as in params {"kind": "csv"}, in its working directory.
[[ $1 =~ ^[a-z]+$ ]] || { echo "no kind of export: $1" >&2; exit 65; }  # wrong data: not tried again
files=(*."$1")
for n in "${!files[@]}"; do
  gzip --force --keep -- "${files[n]}" || exit
  echo "{\"progress\": $((100 * (n + 1) / ${#files[@]}))e-2, \"message\": \"$((n + 1)) of ${#files[@]} files\"}"
done
echo "{\"result\": {\"files\": ${#files[@]}}}"
