import { inventoryService } from './inventory/inventory.ts'
import { logisticsService } from './logistics/logistics.ts'
import { notificationService } from './notification/notification.ts'
import { orderService } from './order/order.ts'
import { paymentService } from './payment/payment.ts'
import { pointsService } from './points/points.ts'
import type { ServiceDefinition } from './service.ts'
import type { ServiceName } from './topology.ts'

/** All services by name. */
export const services: Readonly<Record<ServiceName, ServiceDefinition>> = {
  order: orderService,
  inventory: inventoryService,
  payment: paymentService,
  logistics: logisticsService,
  notification: notificationService,
  points: pointsService,
}
