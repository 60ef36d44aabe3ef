import { randomUUID } from 'node:crypto'
import { testShopOver } from './once.fixture.ts'

testShopOver('Redis', () => `${process.env.SLUICE_TEST_REDIS_URL}?prefix=shop-${randomUUID()}:`)
