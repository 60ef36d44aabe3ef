/** Texts of the command line, in the languages it speaks. A test compares the keys. Findings come from the engine, in English; `finding-texts.ts` has them in others. */
export const texts = {
  en: {
    usage: 'Usage: sluice <command> [options]',
    commands: 'Commands',
    options: 'Options',
    example: 'Example',
    json: 'machine-readable output (field "version": 1)',
    help: 'this text',
    lang: 'en or zh; default: from LC_ALL, LC_MESSAGES or LANG',
    readOnly: 'read-only',
    readWrite: 'writes',
    check: 'checks a bus file: SQLite, checksums, positions, groups, lanes, counters. It may be in use',
    compact: 'gives unused room back to the disk. Needs a moment in which nobody uses the file, and says who does',
    backup: 'writes a checked copy of a bus file that may be in use',
    unknownCommand: 'There is no command {0}',
    wrongArguments: '{0} takes: {1}',
    sound: '{0} is sound: {1} messages in {2} blocks, {3} channels, {4} groups, {5} bytes',
    unsound: '{0} is not sound: {1} findings',
    where: 'where',
    means: 'means',
    fix: 'fix',
    unlisted: 'and {0} more',
    compacted: '{0}: {1} bytes before, {2} now',
    inUse: '{0} was left as it is: somebody uses it{1}. Stop all services that use it, then try again',
    backedUp: '{0}: {1} bytes, checked. To restore: stop all services, delete the -wal, -shm and -bell beside the bus file, put this file in its place',
  },
  zh: {
    usage: '用法：sluice <命令> [选项]',
    commands: '命令',
    options: '选项',
    example: '示例',
    json: '机器可读的输出（字段 "version" 为 1）',
    help: '显示本说明',
    lang: 'en 或 zh；默认取自 LC_ALL、LC_MESSAGES 或 LANG',
    readOnly: '只读',
    readWrite: '会写入',
    check: '检查总线文件：SQLite、校验和、位置、消费组、通道、计数。使用中也可检查',
    compact: '把未用的空间还给磁盘。需要无人使用该文件的片刻；否则说明谁在使用',
    backup: '为总线文件写出一份经过检查的副本，使用中也可备份',
    unknownCommand: '没有命令 {0}',
    wrongArguments: '{0} 的参数是：{1}',
    sound: '{0} 完好：{1} 条消息，{2} 个块，{3} 个频道，{4} 个消费组，{5} 字节',
    unsound: '{0} 有问题：{1} 项',
    where: '位置',
    means: '影响',
    fix: '处理',
    unlisted: '另有 {0} 项',
    compacted: '{0}：原为 {1} 字节，现为 {2} 字节',
    inUse: '{0} 未改动：正在使用{1}。请停止所有使用它的服务后再试',
    backedUp: '{0}：{1} 字节，已检查。恢复：停止所有服务，删除总线文件旁的 -wal、-shm 和 -bell，再用本文件替换它',
  },
} as const

export type Language = keyof typeof texts
export type TextKey = keyof (typeof texts)['en']

/** A text in a language, with {0}, {1} … filled in. */
export function say(language: Language, key: TextKey, ...values: readonly (string | number)[]): string {
  return texts[language][key].replace(/\{(\d)\}/g, (_, at: string) => String(values[Number(at)] ?? ''))
}
