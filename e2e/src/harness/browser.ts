import { existsSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type Browser, chromium, type Page } from 'playwright-core';

const CHROMIUM = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
].find((path) => path !== undefined && existsSync(path));

export interface OpenPage {
  page: Page;
  browser: Browser;
  /** Errors, warnings and requests that failed. */
  complaints: string[];
}

/** A page as a person sees it. Close its `browser`. */
export async function openPage(file: string): Promise<OpenPage> {
  if (CHROMIUM === undefined) throw new Error('no Chromium: run tools/chromium.sh');
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('requestfailed', (request) => complaints.push(`request ${request.url()}`));
  await page.goto(pathToFileURL(file).href);
  return { page, browser, complaints };
}

/** How wide each picture is once it is decoded; 0 for one that is broken. */
export async function pictureWidths(page: Page, selector: string): Promise<number[]> {
  return page
    .locator(selector)
    .evaluateAll((images) =>
      images.map((image) => (image as unknown as { naturalWidth: number }).naturalWidth),
    );
}
