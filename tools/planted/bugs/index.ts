import type { PlantedBug } from '../bug.ts'
import { administrationBugs } from './administration.ts'
import { commitBugs } from './commit.ts'
import { dispatcherBugs } from './dispatcher.ts'
import { fileBugs } from './file.ts'
import { groupBugs } from './group.ts'
import { lotBugs } from './lot.ts'
import { powerCutBugs } from './power-cut.ts'
import { sendBugs } from './send.ts'

/** All planted bugs. A new one goes into the file of the part it damages. */
export const bugs: readonly PlantedBug[] = [
  ...commitBugs,
  ...fileBugs,
  ...groupBugs,
  ...lotBugs,
  ...sendBugs,
  ...administrationBugs,
  ...dispatcherBugs,
  ...powerCutBugs,
]
