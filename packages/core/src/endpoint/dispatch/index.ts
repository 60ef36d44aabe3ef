export type { HandlerBinding, RunEntry } from './binding.ts'
export type { GroupRunner, GroupRunnerOptions, GroupStats } from './options.ts'
export { createGroupRunner } from './runner.ts'
