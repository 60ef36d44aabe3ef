import { randomUUID } from 'node:crypto'
import { testShopOver } from './once.fixture.ts'

testShopOver('Kafka', () => `${process.env.SLUICE_TEST_KAFKA_URL}?prefix=shop-${randomUUID()}.`)
