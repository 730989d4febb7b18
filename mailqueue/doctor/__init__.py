"""What is wrong where mail is queued, and how to mend it: each subject a module of findings.

diagnosis  all subjects, one after the other, each bounded in time
finding    what one of them found
written    the settings, by Django's system checks
brokers    the broker and our queues on it
ledgers    the table, and mail that waits there
workers    who consumes a queue, and whether they agree with this process
pickup     a task without mail, and who takes it
paused     mailers that somebody has paused
storages   where large contents stay
targets    the mailers that deliver: opened, and nothing sent
"""
