import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RouteTable } from './route-table.ts'

test('an exact name wins, then the longest literal beginning', () => {
  const table = new RouteTable('memory:', { 'shop.**': 'a:', 'shop.audit': 'b:', 'shop.audit.*': 'c:', '**.log': 'd:', '*.x': 'e:' })
  assert.equal(table.urlOf('shop.order'), 'a:')
  assert.equal(table.urlOf('shop'), 'a:')
  assert.equal(table.urlOf('shop.audit'), 'b:')
  assert.equal(table.urlOf('shop.audit.eu'), 'c:')
  assert.equal(table.urlOf('shop.audit.eu.west'), 'a:')
  assert.equal(table.urlOf('shopping.cart'), 'memory:')
  assert.equal(table.urlOf('a.b.log'), 'd:')
  assert.equal(table.urlOf('log'), 'd:')
  assert.equal(table.urlOf('catalog'), 'memory:')
  assert.equal(table.urlOf('y.x'), 'e:')
  assert.equal(table.urlOf('y.z.x'), 'memory:')
  assert.deepEqual([...table.urls].sort(), ['a:', 'b:', 'c:', 'd:', 'e:', 'memory:'])
})

test('a pattern that could be hostile is refused', () => {
  for (const pattern of ['**.**', 'a*b', '(a+)+*', '*.', '..*']) {
    assert.throws(() => new RouteTable('memory:', { [pattern]: 'a:' }), { code: 'INVALID_OPTION' }, pattern)
  }
})
