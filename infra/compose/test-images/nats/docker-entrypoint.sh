#!/bin/sh
set -e
[ "${1#-}" != "$1" ] && set -- nats-server "$@"
PATH=$PATH:/usr/sbin exec "$@"
