#!/usr/bin/env bash
# The contract of the official image: POSTGRES_* on the first start only, local connections trusted, a server for the
# initialisation that listens on the socket alone.
set -euo pipefail
[ "${1:0:1}" = '-' ] && set -- postgres "$@"
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown -R postgres:postgres /var/lib/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
unset LC_ALL
socket=/var/run/postgresql
server=(env LD_LIBRARY_PATH=/usr/lib/postgresql/18/lib)
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  : "${POSTGRES_PASSWORD:?is required}"
  user=${POSTGRES_USER:-postgres}
  # shellcheck disable=SC2086
  "${server[@]}" initdb -D "$PGDATA" --username="$user" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") --auth-local=trust \
    --auth-host=scram-sha-256 ${POSTGRES_INITDB_ARGS:-} >/dev/null
  printf 'host all all all scram-sha-256\n' >>"$PGDATA/pg_hba.conf"
  "${server[@]}" pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -c unix_socket_directories=$socket" -w start >/dev/null
  if [ "${POSTGRES_DB:-$user}" != postgres ]; then
    psql -h $socket -U "$user" -d postgres -v ON_ERROR_STOP=1 -qc "CREATE DATABASE \"${POSTGRES_DB:-$user}\""
  fi
  "${server[@]}" pg_ctl -D "$PGDATA" -m fast -w stop >/dev/null
  echo 'PostgreSQL init process complete; ready for start up.'
fi
exec "${server[@]}" "$@" -c listen_addresses='*' -c unix_socket_directories=$socket
