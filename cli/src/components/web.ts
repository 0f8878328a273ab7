import { join } from 'node:path';
import { checkoutRoot } from '../stack/stack.ts';
import type { Component } from './component.ts';
import { metricsListen, probeHealth } from './worker.ts';

const SERVER = join(checkoutRoot(), 'services/web/dist/server.js');
/** It names the scripts and styles, whose names change with their content. */
const PAGE = join(checkoutRoot(), 'services/web/dist/app/index.html');

export const web: Component = {
  name: 'web',
  title: 'Dashboard',
  kind: 'service',
  ports: { '': 3000 },
  // It proxies to the worker and can be up before it.
  needs: [],
  readyWithinMs: 20_000,
  memoryMib: 70,
  locate: () => ({ present: true, how: 'dashboard and proxy to the API' }),
  launch(context) {
    return {
      program: process.execPath,
      args: [SERVER],
      env: {
        PATH: context.env.PATH ?? '',
        HOST: context.selection.host,
        PORT: String(context.port()),
        WORKER_URL: context.urlOf('worker')!,
        STACK_ID: context.stack.id,
        ...metricsListen(context),
      },
      cwd: context.stack.dir,
      files: [SERVER, PAGE],
    };
  },
  probe: (context) => probeHealth(context, `http://127.0.0.1:${context.port()}/health`),
  url: (context) => `http://127.0.0.1:${context.port()}`,
  access: (context) => ({
    url: `http://127.0.0.1:${context.port()}`,
    credentials: 'test@example.com / test123',
  }),
};
