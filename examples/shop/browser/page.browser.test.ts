/**
 * The page in a real browser: each button does what it says, nothing overflows, axe-core finds nothing, and a
 * screenshot of each state lies in `$SHOP_SCREENSHOTS` (default: a temporary folder, printed) for a person to look at.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium, type Page } from 'playwright-core'

const chromiumPath = '/usr/bin/chromium'
const chromiumArguments = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const skip = existsSync(chromiumPath) ? false : `needs Chromium at ${chromiumPath} (apt-get install chromium)`
const mainFile = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const axeSource = skip === false ? readFileSync(fileURLToPath(import.meta.resolve('axe-core/axe.min.js')), 'utf8') : ''
const firstPaintBytesMax = 100_000

interface View {
  readonly width: number
  readonly height: number
  readonly scheme: 'light' | 'dark'
  readonly locale: 'en-GB' | 'zh-CN'
}
const wideLight: View = { width: 1440, height: 900, scheme: 'light', locale: 'en-GB' }
const views: readonly View[] = [
  wideLight,
  { width: 1440, height: 900, scheme: 'dark', locale: 'zh-CN' },
  { width: 360, height: 740, scheme: 'light', locale: 'zh-CN' },
  { width: 360, height: 740, scheme: 'dark', locale: 'en-GB' },
  { width: 2560, height: 1200, scheme: 'light', locale: 'en-GB' },
]

let folder = ''
let screenshots = ''
let shop: ChildProcess
let said = ''
let url = ''
let browser: Browser
let page: Page
const problems: string[] = []

async function until(what: string, reached: () => Promise<boolean> | boolean, timeoutMs: number = 20_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await reached())) {
    assert.ok(performance.now() < deadline, `not within ${timeoutMs} ms: ${what}\n${said.slice(-2_000)}`)
    await sleep(100)
  }
}

async function open(view: View, reducedMotion: 'reduce' | 'no-preference' = 'no-preference'): Promise<Page> {
  const context = await browser.newContext({ viewport: view, colorScheme: view.scheme, locale: view.locale, reducedMotion })
  const opened = await context.newPage()
  opened.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) problems.push(message.text())
  })
  opened.on('pageerror', (error) => problems.push(error.message))
  opened.on('request', (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith('data:')) problems.push(`a request to ${request.url()}`)
  })
  await opened.goto(url)
  await opened.waitForSelector('#services table tbody .group')
  return opened
}

async function keep(name: string, of: Page = page): Promise<void> {
  await of.screenshot({ path: join(screenshots, `${name}.png`), fullPage: true })
}

function row(service: string): { waiting(): Promise<number>; button(): ReturnType<Page['locator']>; state(): Promise<string | null> } {
  const head = page.locator(`#services .head:has(button[data-service="${service}"])`)
  return {
    waiting: async () => Number(((await head.locator(':scope > :nth-child(4)').textContent()) ?? '').replace(/\D/g, '')),
    button: () => page.locator(`button[data-service="${service}"]`),
    state: () => head.locator('.state').getAttribute('data-state'),
  }
}

async function figure(name: string): Promise<number> {
  const text = await page.locator(`#figures div:has(dt:text-is("${name}")) dd`).textContent()
  return Number((text ?? '').replace(/ of .*/, '').replace(/[^\d.]/g, ''))
}

async function violations(of: Page): Promise<string[]> {
  await of.evaluate(axeSource)
  return of.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run(options: object): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }> }
    }
    const { violations: found } = await axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })
    return found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join('; ')}`)
  })
}

function overflowing(of: Page): Promise<string> {
  return of.evaluate(() =>
    Array.from(document.querySelectorAll('body *'))
      .filter((element) => element.getBoundingClientRect().right > innerWidth + 1)
      .map((element) => element.outerHTML.slice(0, 120))
      .join(' | '),
  )
}

describe('the page in a browser', { skip }, () => {
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'shop-page-'))
    screenshots = process.env.SHOP_SCREENSHOTS ?? join(folder, 'screenshots')
    mkdirSync(screenshots, { recursive: true })
    shop = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', mainFile, '--port', '0', '--pace', '30', '--lang', 'en'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [shop.stdout, shop.stderr]) {
      stream?.setEncoding('utf8')
      stream?.on('data', (text: string) => {
        said += text
      })
    }
    await until('the shop opens', () => /http:\/\/127\.0\.0\.1:\d+\//.test(said), 30_000)
    url = /http:\/\/127\.0\.0\.1:\d+\//.exec(said)?.[0] ?? ''
    browser = await chromium.launch({ executablePath: chromiumPath, args: chromiumArguments })
    page = await open(wideLight)
  })
  after(async () => {
    await browser?.close()
    // Nobody waits here until a burst is worked off: the second Ctrl-C ends at once, and the services follow.
    const ended = new Promise((resolve) => shop?.once('exit', resolve))
    shop?.kill('SIGINT')
    await sleep(300)
    shop?.kill('SIGINT')
    await ended
    await sleep(3_000)
    rmSync(process.env.SHOP_SCREENSHOTS === undefined ? folder : join(folder, '.sluice'), { recursive: true, force: true, maxRetries: 20, retryDelay: 200 })
  })

  test('orders are played, the providers’ latencies are stated, and the first paint is light', async () => {
    await until('some orders are completed', async () => (await figure('completed')) > 20)
    assert.match((await page.textContent('#providers')) ?? '', /payment 180 ms, courier 150 ms, SMS 120 ms/)
    assert.equal(await page.textContent('#live'), 'live')
    await page.waitForSelector('.chart canvas')
    const bytes = await page.evaluate(() =>
      performance.getEntriesByType('resource').reduce((sum, entry) => sum + ((entry as PerformanceResourceTiming).decodedBodySize || 0), 0),
    )
    assert.ok(bytes > 50_000 && bytes < firstPaintBytesMax, `script and style: ${bytes} bytes`)
    await keep('running-wide-light-en')
  })

  test('Stop: the backlog of the service grows while orders go on; Start: it catches up', async () => {
    const payment = row('payment')
    await payment.button().click()
    await until('payment is stopped', async () => (await payment.state()) === 'stopped')
    const accepted = await figure('Orders')
    await until('its backlog grows', async () => (await payment.waiting()) > 60)
    await until('orders go on', async () => (await figure('Orders')) > accepted + 20)
    assert.match((await page.textContent('#verdict')) ?? '', /payment is stopped: \d+ messages wait for it.*Orders are accepted all the same/)
    assert.equal(await page.locator('.edge[data-state="broken"]').count(), 1)
    await keep('stopped-wide-light-en')
    assert.deepEqual(await violations(page), [])
    const narrow = await open({ width: 360, height: 740, scheme: 'dark', locale: 'en-GB' })
    assert.ok((await narrow.evaluate(() => document.documentElement.scrollWidth)) <= 360, `overflows: ${await overflowing(narrow)}`)
    await keep('stopped-360-dark-en', narrow)
    await narrow.context().close()
    assert.equal(await payment.button().getAttribute('aria-label'), 'Start payment')
    await payment.button().focus()
    await page.keyboard.press('Enter')
    await until('it catches up', async () => (await payment.state()) === 'running' && (await payment.waiting()) < 30)
    assert.equal(await page.locator('.edge[data-state="broken"]').count(), 0)
  })

  test('a stopped order service: customers wait at the door, and come in when it is back', async () => {
    const order = row('order')
    await order.button().click()
    await until('the verdict says so', async () => /The order service is stopped: \d+ customers wait/.test((await page.textContent('#verdict')) ?? ''))
    await until('order is stopped', async () => (await order.state()) === 'stopped')
    await keep('door-closed-wide-light-en')
    const accepted = await figure('Orders')
    await order.button().click()
    await until('they come in', async () => (await figure('Orders')) > accepted + 20)
  })

  test('the synchronous chain: each order takes about as long as the three providers together', async () => {
    const chain = page.getByLabel('by a synchronous chain')
    await chain.focus()
    await page.keyboard.press('Space')
    await until('response time rises', async () => (await figure('order API, p50')) >= 400)
    assert.match((await page.textContent('#verdict')) ?? '', /each customer waits/)
    await keep('chain-wide-light-en')
    await row('logistics').button().click()
    await until('the chain breaks', async () => /no order gets through/.test((await page.textContent('#verdict')) ?? ''))
    await keep('chain-broken-wide-light-en')
    await until('logistics is stopped', async () => (await row('logistics').state()) === 'stopped')
    await row('logistics').button().click()
    await until('logistics is back', async () => (await row('logistics').state()) === 'running')
    await page.getByLabel('by messages').check({ force: true })
    await until('response time falls', async () => {
      const p50 = await figure('order API, p50')
      return p50 > 0 && p50 < 200
    })
  })

  test('Pause, and let orders come; the price list reaches every instance', async () => {
    await page.getByRole('button', { name: 'Pause the orders' }).click()
    await page.getByRole('button', { name: 'Let orders come' }).waitFor()
    assert.match((await page.textContent('#hint')) ?? '', /orders are paused/)
    await page.getByRole('button', { name: 'Change the price list' }).click()
    await until('all six have heard', async () => ((await page.textContent('#price-list-state')) ?? '') === 'price list 1, heard by 6 of 6')
    await page.getByRole('button', { name: 'Let orders come' }).click()
    await page.getByRole('button', { name: 'Pause the orders' }).waitFor()
  })

  test('every size, colour and language: nothing overflows, axe-core finds nothing', async () => {
    for (const view of views) {
      const opened = await open(view, 'reduce')
      const name = `${view.width}-${view.scheme}-${view.locale.slice(0, 2)}`
      await opened.waitForSelector('.chart canvas')
      assert.ok((await opened.evaluate(() => document.documentElement.scrollWidth)) <= view.width, `${name} overflows: ${await overflowing(opened)}`)
      assert.equal(await opened.evaluate(() => getComputedStyle(document.querySelector('.flow') as Element).animationName), 'none', 'reduced motion')
      assert.deepEqual(await violations(opened), [], name)
      await keep(name, opened)
      await opened.context().close()
    }
  })

  test('language and colours can be switched, and are remembered', async () => {
    const speaks = (title: string): Promise<void> => until(`the title is ${title}`, async () => (await page.textContent('h1')) === title)
    await page.selectOption('#language', 'zh')
    await speaks('Sluice 商店')
    await page.selectOption('#theme', 'dark')
    await page.reload()
    await page.waitForSelector('#services table tbody .group')
    await speaks('Sluice 商店')
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'dark')
    await page.selectOption('#theme', 'system')
    await page.selectOption('#language', 'en')
    await speaks('Sluice shop')
  })

  test('a page that hears nothing says so, and recovers', async () => {
    shop.kill('SIGSTOP')
    try {
      await until('it says so', async () => /Connection lost; last update \d+ s ago/.test((await page.textContent('#live')) ?? ''))
      await keep('silent-wide-light-en')
    } finally {
      shop.kill('SIGCONT')
    }
    await until('it is live again', async () => (await page.textContent('#live')) === 'live')
  })

  test('other sites can neither press buttons nor read', async () => {
    const post = (headers: Record<string, string>, body: string): Promise<number> =>
      fetch(`${url}actions`, { method: 'POST', headers: { 'content-type': 'application/json', ...headers }, body }).then((response) => response.status)
    assert.equal(await post({ origin: 'http://evil.example' }, '{"action":"burst"}'), 403)
    assert.equal(await post({}, '{"action":"burst"}'), 403)
    assert.equal(await post({ origin: url.slice(0, -1), 'content-type': 'text/plain' }, '{"action":"burst"}'), 415)
    assert.equal(await post({ origin: url.slice(0, -1) }, '{"action":"stop","service":"../x"}'), 422)
    assert.equal(await post({ origin: url.slice(0, -1) }, 'no JSON'), 400)
    assert.equal((await fetch(`${url}src/main.ts`)).status, 404)
    const policy = (await fetch(url)).headers.get('content-security-policy') ?? ''
    assert.doesNotMatch(policy, /unsafe/)
  })

  test('a burst of 100,000 orders: accepted at once, worked off behind', async () => {
    const before100k = await figure('Orders')
    await page.getByRole('button', { name: 'Send 100,000 orders' }).click()
    await page.getByRole('button', { name: /of 100,000 sent/ }).waitFor()
    await until('a backlog stands', async () => (await figure('open')) > 5_000, 60_000)
    await keep('burst-wide-light-en')
    await until('all are accepted', async () => (await figure('Orders')) >= before100k + 100_000, 110_000)
    assert.match((await page.textContent('#verdict')) ?? '', /Working off|keep up/)
  })

  test('no error, no warning, no request to another host', () =>
    assert.deepEqual(
      problems.filter((text) => !/ERR_|EventSource|502|503/.test(text)),
      [],
    ))
})
