import { parseArgs } from 'node:util'
import { isSluiceError, SluiceError, toError } from '@sluice/core/transport'
import { commands, type ExitCode } from './commands.ts'
import { type Language, say } from './texts.ts'

/** Where a command's output goes. */
export interface Output {
  out(line: string): void
  err(line: string): void
}

/** Runs one command line (without `node` and the program). Resolves to the exit code. */
export async function runCommand(argv: readonly string[], output: Output, env: Readonly<Record<string, string | undefined>>): Promise<ExitCode> {
  let language = languageOf(undefined, env)
  let json = false
  try {
    const { values, positionals } = parse(argv)
    language = languageOf(values.lang, env)
    json = values.json
    const [name, ...rest] = positionals
    if (name === undefined || values.help) {
      output.out(help(language))
      return values.help ? 0 : 2
    }
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (command === undefined) throw new SluiceError('INVALID_OPTION', say(language, 'unknownCommand', name), { fix: 'sluice --help' })
    if (rest.length !== command.parameters.length)
      throw new SluiceError('INVALID_OPTION', say(language, 'wrongArguments', name, command.parameters.join(' ')), { fix: command.example })
    const [where = '', ...more] = rest
    const { exit, result, lines } = await command.run(where, more, language)
    if (json) output.out(JSON.stringify({ version: 1, command: name, ...result }))
    else for (const line of lines) output.out(line)
    return exit
  } catch (error) {
    const { code, message, fix } = isSluiceError(error) ? error : { code: 'UNEXPECTED', message: toError(error).message, fix: undefined }
    if (json) output.out(JSON.stringify({ version: 1, error: { code, message, fix } }))
    else {
      // The message names the code, and ends with the fix.
      const without = fix === undefined ? message : message.replace(`. ${fix}`, '')
      output.err(without.startsWith(code) ? without : `${code}: ${without}`)
      if (fix !== undefined) output.err(`  ${say(language, 'fix')}: ${fix}`)
    }
    return code === 'INVALID_OPTION' ? 2 : 3
  }
}

function parse(argv: readonly string[]): { readonly values: { json: boolean; help: boolean; lang?: string | undefined }; readonly positionals: string[] } {
  try {
    const options = { json: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false }, lang: { type: 'string' } } as const
    return parseArgs({ args: [...argv], allowPositionals: true, options })
  } catch (error) {
    throw new SluiceError('INVALID_OPTION', toError(error).message, { fix: 'sluice --help' })
  }
}

function languageOf(given: string | undefined, env: Readonly<Record<string, string | undefined>>): Language {
  const wanted = given ?? env['LC_ALL'] ?? env['LC_MESSAGES'] ?? env['LANG'] ?? 'en'
  return wanted.toLowerCase().startsWith('zh') ? 'zh' : 'en'
}

function help(language: Language): string {
  const lines = [say(language, 'usage'), '', say(language, 'commands')]
  for (const [name, { summary, reads, parameters, example }] of Object.entries(commands)) {
    lines.push(`  ${name} ${parameters.join(' ')}`, `      ${say(language, summary)} (${say(language, reads)})`)
    lines.push(`      ${say(language, 'example')}: ${example}`)
  }
  lines.push(
    '',
    say(language, 'options'),
    `  --json      ${say(language, 'json')}`,
    `  --lang L    ${say(language, 'lang')}`,
    `  -h, --help  ${say(language, 'help')}`,
  )
  return lines.join('\n')
}
