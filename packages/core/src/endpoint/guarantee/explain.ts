import { SluiceError } from '../../errors/index.ts'
import type { TransportFacts } from '../../transport/index.ts'
import type { Explanation, RouteExplanation } from './api.ts'
import type { Refusal } from './needs.ts'

/** Puts routes together as `bus.explain()` returns them. */
export function explanationOf(service: string, transports: Readonly<Record<string, TransportFacts>>, routes: readonly RouteExplanation[]): Explanation {
  return { service, routes, transports, toString: () => inWords(service, transports, routes) }
}

function inWords(service: string, transports: Readonly<Record<string, TransportFacts>>, routes: readonly RouteExplanation[]): string {
  const lines: string[] = []
  for (const [url, facts] of Object.entries(transports)) {
    lines.push(`${service} over ${facts.name} ${facts.serverVersion} (${url})`)
    for (const note of facts.notes) lines.push(`  note: ${note}`)
  }
  for (const route of routes) {
    lines.push(
      '',
      route.group === undefined
        ? `${route.channel} (${route.transport}), sent to`
        : `${route.channel} (${route.transport}), group ${route.group}: ${route.types.join(', ')}`,
    )
    for (const promise of route.promises) lines.push(`  ${mark[promise.level]} ${promise.subject}: ${promise.text} [${promise.facts.join(', ')}]`)
  }
  return lines.join('\n')
}

const mark = { kept: '+', weaker: '~', none: '-' } as const

/** The error that stops a start: every wish that cannot be granted, with the option that would do. */
export function unavailable(refused: readonly { readonly channel: string; readonly group: string; readonly refusals: readonly Refusal[] }[]): SluiceError {
  const all = refused.flatMap(({ channel, group, refusals }) => refusals.map((refusal) => ({ channel, group, ...refusal })))
  const [first] = all
  const more = all.length > 1 ? ` (and ${all.length - 1} more, see details.refusals)` : ''
  return new SluiceError('GUARANTEE_UNAVAILABLE', `group ${first?.group} on channel ${first?.channel}: ${first?.message}${more}`, {
    fix: first?.fix ?? '',
    details: { fact: first?.fact, refusals: all },
  })
}
