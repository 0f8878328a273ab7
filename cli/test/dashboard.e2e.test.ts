import { mkdirSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { has, pathOf } from './requirement.ts';
import { TestStack } from './run-cli.ts';

const SCREENSHOTS = process.env.BATCHSENDER_SCREENSHOTS;

describe.runIf(has('chromium'))('the dashboard', () => {
  const stack = new TestStack('dashboard');
  let browser: Browser;
  let page: Page;
  let web: string;
  beforeAll(async () => {
    const up = await stack.run(['up', '--only', 'postgres,worker,web']);
    expect(up.exitCode, up.stderr).toBe(0);
    const { components } = await stack.json<{ components: { name: string; url: string }[] }>(['status']);
    web = components.find((one) => one.name === 'web')!.url;
    browser = await chromium.launch({
      executablePath: pathOf('chromium')!,
      args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
    });
    page = await browser.newPage({ viewport: { width: 1100, height: 700 } });
  });
  afterAll(async () => {
    await browser?.close();
    await stack.remove();
  });

  async function screenshot(name: string): Promise<void> {
    if (!SCREENSHOTS) return;
    mkdirSync(SCREENSHOTS, { recursive: true });
    await page.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
  }

  test('asks for a login and says when it is wrong', async () => {
    await page.goto(web);
    await page.getByLabel('E-mail').fill('test@example.com');
    await page.getByRole('textbox', { name: /^Password/ }).fill('wrong');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('alert').getByText('is wrong').waitFor();
    await screenshot('login');
  });

  test('lists batches with their progress, and follows a new one', async () => {
    await page.getByRole('textbox', { name: /^Password/ }).fill('test123');
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByRole('row', { name: /Test batch of 25 completed/i }).waitFor();
    await stack.run(['seed', '--batch', '3000']);
    await page
      .getByRole('row', { name: /Test batch of 3000.*completed.*100 %.*3,000/i })
      .waitFor({ timeout: 20_000 });
    await screenshot('batches');
  });

  test('a new batch is checked before it is sent, with counts, problems and samples', async () => {
    const csv =
      'email,name\nann@example.com,Ann\nbo@example.com,Bo\nnot an address,X\nann@example.com,Twice\n';
    await page.getByRole('button', { name: 'New batch' }).click();
    const dialog = page.getByRole('dialog');
    await dialog.getByLabel('Name').fill('By hand');
    await dialog.getByLabel('From').fill('News <news@example.com>');
    await dialog.getByLabel('Subject').fill('Hello {{ name }}');
    await dialog.getByLabel('HTML').fill('<h1>Hello {{ name }} in {{ city }}</h1>');
    const choose = async () => {
      const chooser = page.waitForEvent('filechooser');
      await dialog.getByRole('button', { name: 'Recipients' }).click();
      await (await chooser).setFiles({ name: 'r.csv', mimeType: 'text/csv', buffer: Buffer.from(csv) });
      await dialog.getByRole('button', { name: 'Check' }).click();
    };
    await choose();
    await dialog.getByText('0 of 2 recipients will be sent to').waitFor();
    await dialog.getByText(/2 of 2 recipients have no "city"/).waitFor();
    expect(await dialog.getByRole('button', { name: 'Send' }).isDisabled()).toBe(true);
    await screenshot('preflight-errors');
    await dialog.getByRole('button', { name: 'Discard' }).click();
    await dialog.waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'New batch' }).click();
    await dialog.getByLabel('Name').fill('By hand');
    await dialog.getByLabel('From').fill('News <news@example.com>');
    await dialog.getByLabel('Subject').fill('Hello {{ name }}');
    await dialog.getByLabel('HTML').fill('<h1>Hello {{ name }}</h1>');
    await choose();
    await dialog.getByText('2 of 2 recipients will be sent to').waitFor();
    await dialog.getByText('1 duplicate, 1 invalid_address').waitFor();
    await dialog.getByText('Subject: Hello Ann').waitFor();
    await screenshot('preflight');
    await dialog.getByRole('button', { name: 'Send' }).click();
    await page.getByRole('row', { name: /By hand.*completed.*100 %/i }).waitFor({ timeout: 20_000 });
  });

  test('logs out', async () => {
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('E-mail').waitFor();
  });
});
