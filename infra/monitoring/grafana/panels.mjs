// What the dashboards show. A panel is [title, unit, { legend: query }, description?]; units are Grafana's.

/** Rates over a minute: twelve scrapes. */
const RATE = '1m';

const rate = (metric) => `rate(${metric}[${RATE}])`;
const quantile = (q, metric, by = '') =>
  `histogram_quantile(${q}, sum by (le${by && `, ${by}`}) (${rate(`${metric}_bucket`)}))`;

const OVERVIEW = {
  uid: 'batchsender-overview',
  title: 'BatchSender: Overview',
  stats: [
    ['Sent per second', 'short', `sum(${rate('batchsender_messages_total{state="sent"}')})`],
    ['In the queue', 'short', 'sum(max by (provider, state) (batchsender_queue_messages))'],
    [
      'Failed in the last hour',
      'short',
      'sum(increase(batchsender_messages_total{state="failed"}[1h])) or vector(0)',
    ],
    ['Uncertain', 'short', 'max(batchsender_uncertain_messages)'],
    ['Paused providers', 'short', 'sum(max by (provider) (batchsender_provider_paused))'],
    ['Senders', 'short', 'max(batchsender_workers{role="sender"})'],
  ],
  rows: [
    [
      'Messages',
      [
        [
          'Outcomes per second',
          'short',
          { '{{state}}': `sum by (state) (${rate('batchsender_messages_total')})` },
        ],
        [
          'Queue',
          'short',
          { '{{state}}': 'sum by (state) (max by (provider, state) (batchsender_queue_messages))' },
          'Messages of open batches without an outcome',
        ],
        ['Batches', 'short', { '{{state}}': 'max by (state) (batchsender_batches)' }],
      ],
    ],
    [
      'What comes back',
      [
        [
          'Provider events per second',
          'short',
          { '{{type}}': `sum by (type) (${rate('batchsender_provider_events_total')})` },
        ],
        [
          'Bounced, of what was sent in an hour',
          'percentunit',
          {
            bounced:
              'sum(increase(batchsender_provider_events_total{type="bounced"}[1h])) / sum(increase(batchsender_messages_total{state="sent"}[1h]))',
          },
          'Providers review accounts above 5 %',
        ],
        [
          'Complained, of what was sent in an hour',
          'percentunit',
          {
            complained:
              'sum(increase(batchsender_provider_events_total{type="complained"}[1h])) / sum(increase(batchsender_messages_total{state="sent"}[1h]))',
          },
          'Mailbox providers filter senders above 0.1 %',
        ],
      ],
    ],
  ],
};

const PIPELINE = {
  uid: 'batchsender-pipeline',
  title: 'BatchSender: Pipeline',
  stats: [
    ['Leased chunks', 'short', 'max(batchsender_leases)'],
    ['Leases expired in an hour', 'short', 'sum(increase(batchsender_leases_expired_total[1h]))'],
    ['Longest stalled batch', 's', 'max(batchsender_batch_stalled_seconds) or vector(0)'],
    ['Oldest event in the outbox', 's', 'max(batchsender_outbox_oldest_seconds)'],
  ],
  rows: [
    [
      'Queue and leases',
      [
        [
          'Longest waiting chunk',
          's',
          { '{{provider}}': 'max by (provider) (batchsender_queue_oldest_ready_seconds)' },
        ],
        [
          'Leases',
          'short',
          {
            held: 'max(batchsender_leases)',
            'expired per minute': `60 * sum(${rate('batchsender_leases_expired_total')})`,
            'lost per minute': `60 * sum(${rate('batchsender_leases_lost_total')})`,
          },
        ],
        ['Uncertain messages', 'short', { uncertain: 'max(batchsender_uncertain_messages)' }],
      ],
    ],
    [
      'Events to ClickHouse',
      [
        ['Outbox', 'short', { windows: 'max(batchsender_outbox_rows)' }],
        ['Age of the oldest', 's', { age: 'max(batchsender_outbox_oldest_seconds)' }],
        [
          'Provider events without a message',
          'short',
          { 'per minute': `60 * sum(${rate('batchsender_provider_events_unmatched_total')})` },
        ],
      ],
    ],
    [
      'API',
      [
        [
          'Requests per second',
          'reqps',
          { '{{route}}': `sum by (route) (${rate('batchsender_http_request_duration_seconds_count')})` },
        ],
        [
          '95th percentile',
          's',
          { '{{route}}': quantile(0.95, 'batchsender_http_request_duration_seconds', 'route') },
        ],
        [
          'Refused and failed',
          'reqps',
          {
            '{{status}}': `sum by (status) (${rate('batchsender_http_request_duration_seconds_count{status=~"4..|5.."}')}) or vector(0)`,
          },
        ],
      ],
    ],
  ],
};

const PROVIDERS = {
  uid: 'batchsender-providers',
  title: 'BatchSender: Providers',
  stats: [
    ['Hand-overs per second', 'short', 'sum(batchsender_rate_actual_per_second)'],
    ['95th percentile of a hand-over', 's', quantile(0.95, 'batchsender_send_duration_seconds')],
    ['Retries in the last hour', 'short', 'sum(increase(batchsender_retries_total[1h])) or vector(0)'],
    ['Paused', 'short', 'sum(max by (provider) (batchsender_provider_paused))'],
  ],
  rows: [
    [
      'Speed',
      [
        [
          'Limit and speed',
          'short',
          {
            '{{provider}} limit': 'max by (provider) (batchsender_rate_target_per_second)',
            '{{provider}} allowed now': 'sum by (provider) (batchsender_rate_allowed_per_second)',
            '{{provider}} actual': 'sum by (provider) (batchsender_rate_actual_per_second)',
          },
          'Messages per second; "allowed now" falls while the provider says "too fast"',
        ],
        [
          'Hand-over, median',
          's',
          { '{{provider}}': quantile(0.5, 'batchsender_send_duration_seconds', 'provider') },
        ],
        [
          'Hand-over, 95th percentile',
          's',
          { '{{provider}}': quantile(0.95, 'batchsender_send_duration_seconds', 'provider') },
        ],
      ],
    ],
    [
      'Outcomes',
      [
        [
          'Sent per second',
          'short',
          { '{{provider}}': `sum by (provider) (${rate('batchsender_messages_total{state="sent"}')})` },
        ],
        [
          'Failed per second',
          'short',
          {
            '{{provider}}': `sum by (provider) (${rate('batchsender_messages_total{state="failed"}')}) or vector(0)`,
          },
        ],
        [
          'Retries per second',
          'short',
          {
            '{{provider}} {{class}}': `sum by (provider, class) (${rate('batchsender_retries_total')}) or vector(0)`,
          },
        ],
      ],
    ],
    [
      'State',
      [
        ['Paused', 'bool_yes_no', { '{{provider}}': 'max by (provider) (batchsender_provider_paused)' }],
        [
          'Queue',
          'short',
          { '{{provider}}': 'sum by (provider) (max by (provider, state) (batchsender_queue_messages))' },
        ],
      ],
    ],
  ],
};

const INFRASTRUCTURE = {
  uid: 'batchsender-infrastructure',
  title: 'BatchSender: Infrastructure',
  stats: [
    ['Targets up', 'short', 'sum(up)'],
    ['Targets down', 'short', 'count(up == 0) or vector(0)'],
    ['Disk free', 'percentunit', 'min(batchsender_disk_free_bytes / batchsender_disk_size_bytes)'],
    ['Database', 'bytes', 'max(batchsender_postgres_database_bytes)'],
  ],
  rows: [
    [
      'Processes',
      [
        ['Up', 'bool_yes_no', { '{{job}} {{instance}}': 'up' }],
        ['Memory', 'bytes', { '{{job}} {{instance}}': 'process_resident_memory_bytes' }],
        ['CPU', 'percentunit', { '{{job}} {{instance}}': rate('process_cpu_seconds_total') }],
        [
          'Event loop lag, 99th percentile',
          's',
          { '{{job}} {{instance}}': 'nodejs_eventloop_lag_p99_seconds' },
        ],
      ],
    ],
    [
      'Engines',
      [
        ['Dependencies', 'bool_yes_no', { '{{dependency}} of {{instance}}': 'batchsender_dependency_up' }],
        [
          'PostgreSQL connections',
          'short',
          {
            open: 'max(batchsender_postgres_connections)',
            allowed: 'max(batchsender_postgres_max_connections)',
          },
        ],
        [
          'Pools',
          'short',
          { '{{pool}} {{state}}': 'sum by (pool, state) (batchsender_postgres_pool_connections)' },
        ],
        ['Oldest transaction', 's', { age: 'max(batchsender_postgres_oldest_transaction_seconds)' }],
      ],
    ],
    [
      'Disk',
      [
        ['Free', 'bytes', { '{{instance}}': 'batchsender_disk_free_bytes' }],
        ['Database', 'bytes', { size: 'max(batchsender_postgres_database_bytes)' }],
      ],
    ],
  ],
};

export const DASHBOARDS = [OVERVIEW, PIPELINE, PROVIDERS, INFRASTRUCTURE];
