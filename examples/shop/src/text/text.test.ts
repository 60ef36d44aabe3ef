import assert from 'node:assert/strict'
import { test } from 'node:test'
import { languageOf, textOf, texts } from './index.ts'

test('both languages have the same texts, none empty, with the same places to fill', () => {
  assert.deepEqual(Object.keys(texts.zh).toSorted(), Object.keys(texts.en).toSorted())
  const places = (text: string): string[] => (text.match(/\{\w+\}/g) ?? []).toSorted()
  for (const [key, text] of Object.entries(texts.en)) {
    const other = texts.zh[key as keyof typeof texts.en]
    assert.notEqual(other.trim(), '', key)
    assert.deepEqual(places(other), places(text), key)
  }
})

test('places are filled, unknown ones stay visible', () => {
  assert.equal(textOf('en')('waiting', { count: 3 }), '3 waiting')
  assert.equal(textOf('zh')('waiting'), '积压 {count}')
})

test('the environment chooses the language', () => {
  assert.equal(languageOf({ LANG: 'zh_CN.UTF-8' }), 'zh')
  assert.equal(languageOf({ LANG: 'C' }), 'en')
})
