import type { Subject } from '../suite/case.ts'
import { administration } from './administration.ts'
import { busLife } from './bus-life.ts'
import { busMessages } from './bus-messages.ts'
import { busOrder } from './bus-order.ts'
import { busRequests } from './bus-requests.ts'
import { busRetry } from './bus-retry.ts'
import { groups } from './groups.ts'
import { lot } from './lot.ts'
import { ordering } from './ordering.ts'
import { processes } from './processes.ts'
import { sending } from './sending.ts'
import { settlement } from './settlement.ts'
import { time } from './time.ts'

/** Every case on the bus over the transport. */
export const busSubjects: readonly Subject[] = [busMessages, busRetry, busOrder, busRequests, busLife]

/** Every case on the transport alone. */
export const transportSubjects: readonly Subject[] = [sending, groups, settlement, ordering, lot, time, administration]

/** Every case with real processes on one place. */
export const processSubjects: readonly Subject[] = [processes]
