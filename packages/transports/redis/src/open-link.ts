import type { TransportContext } from '@sluice/core/transport'
import { connectError } from './errors.ts'
import type { RedisTarget } from './options.ts'
import { Link, type LinkEvents } from './resp/link.ts'

/** Opens a connection that heals and says so. `suffix` tells the connections of one process apart in CLIENT LIST. */
export function openLink(
  target: RedisTarget,
  context: TransportContext,
  { suffix, restored }: { readonly suffix: string; readonly restored: LinkEvents['restored'] },
): Promise<Link> {
  return Link.open(target, context.clock, `sluice:${context.service}${suffix}`, {
    lost: (why) => {
      const error = why === undefined ? undefined : connectError(why, target.shown)
      context.report({
        level: 'warn',
        message: `the connection to Redis at ${target.shown} is lost; it is opened again`,
        ...(error === undefined ? {} : { error }),
      })
    },
    restored,
  })
}
