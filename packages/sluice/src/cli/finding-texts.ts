/**
 * What the findings of `check` mean in other languages than that of the engine, by code. The engine's own sentence, which has
 * the figures, stands beside it. A test compares the codes with those that the engine uses.
 */
export interface FindingText {
  readonly what: string
  readonly means: string
  readonly fix: string
}

const restore = '保留损坏的文件以供分析，停止所有使用该总线的服务，然后恢复备份'

export const chineseFindings: Readonly<Record<string, FindingText>> = {
  UNREADABLE: { what: '无法读取', means: 'Sluice 无法读取该文件，或只能读取一部分', fix: restore },
  SQLITE: { what: 'SQLite 的完整性检查发现错误', means: '数据行可能缺失、重复或位置错误', fix: restore },
  SCHEMA: {
    what: '某个表、索引或触发器与应有的定义不同',
    means: 'Sluice 拒绝打开该文件；若是多出的触发器，其行为不在 Sluice 的承诺之内',
    fix: '多出的触发器：将其删除。其他情况：恢复备份',
  },
  ROW_DAMAGED: { what: '有数据行与写入时不同', means: 'Sluice 拒绝打开该文件；若是通道或重试的记录，则相关通道不再投递', fix: restore },
  STATE: { what: '记录文件状态的那一行缺失或多余', means: 'Sluice 无法打开该文件', fix: restore },
  NEXT_DUE: { what: '最早的延迟消息没有被记录', means: '延迟消息会迟到', fix: '发送一条延迟消息即可更正时间' },
  COMMITS_MISSING: {
    what: '文件止于一个较早的提交，而之后的提交曾经落盘',
    means: '已确认的消息缺失；Sluice 拒绝打开该文件',
    fix: '若刚恢复了备份，请删除旁边的 -bell 文件；否则请恢复备份',
  },
  FOREIGN: { what: '文件与旁边的 -wal 或 -bell 属于不同的总线', means: 'Sluice 拒绝打开该文件', fix: '放回该文件自己的 -wal；若是 -bell 来自别处，将其删除' },
  CHANNEL: { what: '频道的记录与其内容不符', means: '服务可能无法声明该频道，或统计、清理、按时间查找有误', fix: restore },
  HOLE: { what: '日志中的位置不连续', means: '有消息缺失，或有位置重复', fix: restore },
  BLOCK_DAMAGED: {
    what: '一个消息块已损坏',
    means: '消费组停在它之前；其中的消息不会被投递',
    fix: '恢复备份；或删除该消费组（bus.groups.remove），让它从这些消息之后开始（from：日期）',
  },
  BLOCK_SEQ: { what: '一个消息块的提交号大于最后一次提交', means: '它永远不会被投递', fix: restore },
  BLOCK_TIME: { what: '一个消息块的时间早于它之前的块', means: '按时间查找会漏掉消息', fix: restore },
  ORPHAN: { what: '有数据行不属于任何频道、消费组或通道', means: '其中的消息无人可以取得，或只是占用空间', fix: restore },
  GROUP: { what: '消费组的记录有误', means: '无人能加入该组，或 inspect 中的数字有误', fix: restore },
  PARTITIONS: { what: '消费组的分区没有恰好覆盖每个键一次', means: '有消息无人接收，或被投递两次', fix: restore },
  PARTITION: { what: '分区中有负数', means: 'inspect 中的数字有误；不会丢失消息', fix: restore },
  CURSOR: { what: '分区的游标在日志之外', means: '有消息被跳过，或在该组取得之前已被清理', fix: restore },
  DONE_RANGES: { what: '分区中已完成的范围无法读取或不可能成立', means: '无人能持有该分区，或有消息被跳过', fix: restore },
  OWNER: { what: '分区的持有者属于另一个消费组', means: '在该成员离开之前无人消费它', fix: '重启这两个组的所有服务' },
  MEMBER: { what: '有成员不属于任何进程', means: '分区在等待一个租约永不结束的消费者', fix: '重启该组的所有服务；若仍然存在，请恢复备份' },
  COUNTER: { what: '积压的计数与实际未完成的消息数不符', means: 'inspect 中的数字有误；不会丢失消息', fix: '没有丢失消息；恢复备份，或忽略该数字' },
  LANE: {
    what: '暂存区中某个通道的记录有误',
    means: '其消息可能永远等待、无人接收，或被后来者超越；若级别为 note，则会自行恢复',
    fix: '级别为 error 时：恢复备份。级别为 note 时：无需处理',
  },
  MESSAGE_DAMAGED: {
    what: '一条日志之外的消息或定时任务与写入时不同',
    means: '它不能被投递、列出、放回或触发；它的通道停在它之前',
    fix: '恢复备份；若是定时任务，请将其删除并重新声明',
  },
}
