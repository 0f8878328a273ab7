#!/bin/sh
# ClickHouse's engine (chDB) behind its HTTP interface, with the official image's variables.
set -e
export CLICKHOUSE_FRONT_HOST=0.0.0.0 CLICKHOUSE_FRONT_PORT=8123 CLICKHOUSE_FRONT_DATA=/var/lib/clickhouse/data
export CLICKHOUSE_FRONT_USER="${CLICKHOUSE_USER:-default}" CLICKHOUSE_FRONT_PASSWORD="${CLICKHOUSE_PASSWORD:-}"
exec node /opt/clickhouse/dist/clickhouse-front.js
