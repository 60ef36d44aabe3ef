import type { Rule } from '../tree.ts'
import { dependencyReasons, noRuntimeDependency } from './dependencies.ts'
import { errorCodePages } from './error-codes.ts'
import { lengths } from './lengths.ts'
import { markdownLinks } from './links.ts'
import { publicList } from './public-list.ts'
import { documentedExports, noAnyInPublicTypes } from './public-types.ts'
import { systemTime } from './system-time.ts'
import { machineTraces, unfinished } from './traces.ts'

/** All rules, in the order they are reported. */
export const rules: readonly Rule[] = [
  documentedExports,
  noAnyInPublicTypes,
  publicList,
  errorCodePages,
  dependencyReasons,
  noRuntimeDependency,
  systemTime,
  machineTraces,
  unfinished,
  markdownLinks,
  lengths,
]
