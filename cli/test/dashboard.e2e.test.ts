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

  test('logs out', async () => {
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByLabel('E-mail').waitFor();
  });
});
