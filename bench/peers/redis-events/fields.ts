import { attributesOf, type EventAttributes, orderIn } from '../order.ts'

/** The n-th order as fields of a stream entry, as Sluice's transport writes it (docs/reference/wire-format.md). */
export function fieldsOf(n: number): string[] {
  const { id, type, source, time, partitionkey, body } = attributesOf(n)
  return [
    ...['ce_specversion', '1.0', 'ce_id', id, 'ce_type', type, 'ce_source', source, 'ce_time', time],
    ...['ce_partitionkey', partitionkey, 'size', String(body.length), 'data', body],
  ]
}

/** Reads an entry: its attributes as an object, its data parsed and validated. */
export function eventIn(fields: readonly string[]): { readonly attributes: EventAttributes; readonly order: ReturnType<typeof orderIn> } {
  const attributes: Record<string, string> = {}
  let body = ''
  for (let n = 0; n < fields.length; n += 2) {
    const name = fields[n] as string
    const value = fields[n + 1] as string
    if (name === 'data') body = value
    else attributes[name.startsWith('ce_') ? name.slice(3) : name] = value
  }
  return { attributes, order: orderIn({ data: JSON.parse(body) }) }
}
