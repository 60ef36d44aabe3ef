import { randomUUID } from 'node:crypto'
import { testShopOver } from './once.fixture.ts'

testShopOver('RabbitMQ', () => `${process.env.SLUICE_TEST_RABBITMQ_URL}/?prefix=shop-${randomUUID().slice(0, 8)}`)
