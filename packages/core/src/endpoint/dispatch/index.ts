export type { HandlerBinding, RunEntry } from './binding.ts'
export { createGroupRunner } from './group-runner.ts'
export type { GroupRunner, GroupRunnerOptions, GroupStats } from './options.ts'
