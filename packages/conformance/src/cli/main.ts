#!/usr/bin/env node
/** `npx sluice-conformance --transport ./my-transport.ts`: the suite, for a transport of one's own. */
import { runCommand } from './run.ts'

process.exitCode = await runCommand(process.argv.slice(2), { out: (line) => console.log(line), err: (line) => console.error(line) })
