/* Smoke test of a server with the C client: smoke nats://host:port
 * One line a case; exit status 1 if one failed. */
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int passed, failed;
static natsConnection *nc, *other;

#define CHECK(what, expr)                                                      \
	do {                                                                   \
		natsStatus s_ = (expr);                                        \
		if (s_ != NATS_OK) {                                           \
			printf("  %s: %s\n", what, natsStatus_GetText(s_));    \
			return 0;                                              \
		}                                                              \
	} while (0)

#define WANT(what, cond)                                                       \
	do {                                                                   \
		if (!(cond)) {                                                 \
			printf("  %s\n", what);                                \
			return 0;                                              \
		}                                                              \
	} while (0)

enum { patience_ms = 5000 };

static int publish_subscribe(void)
{
	natsSubscription *sub = NULL;
	natsMsg *msg = NULL;
	CHECK("subscribe", natsConnection_SubscribeSync(&sub, nc, "c.*"));
	CHECK("flush", natsConnection_Flush(nc));
	CHECK("publish", natsConnection_Publish(other, "c.a", "he\r\n", 4));
	CHECK("next", natsSubscription_NextMsg(&msg, sub, patience_ms));
	WANT("subject", strcmp(natsMsg_GetSubject(msg), "c.a") == 0);
	WANT("payload", natsMsg_GetDataLength(msg) == 4 && memcmp(natsMsg_GetData(msg), "he\r\n", 4) == 0);
	natsMsg_Destroy(msg);
	natsSubscription_Destroy(sub);
	return 1;
}

static void answer(natsConnection *c, natsSubscription *sub, natsMsg *msg, void *closure)
{
	(void)sub;
	(void)closure;
	natsConnection_Publish(c, natsMsg_GetReply(msg), natsMsg_GetData(msg), natsMsg_GetDataLength(msg));
	natsMsg_Destroy(msg);
}

static int request_reply(void)
{
	natsSubscription *sub = NULL;
	CHECK("subscribe", natsConnection_QueueSubscribe(&sub, nc, "c.svc", "q", answer, NULL));
	CHECK("flush", natsConnection_Flush(nc));
	for (int i = 0; i < 50; i++) {
		natsMsg *msg = NULL;
		CHECK("request", natsConnection_RequestString(&msg, other, "c.svc", "x", patience_ms));
		WANT("answer", natsMsg_GetDataLength(msg) == 1);
		natsMsg_Destroy(msg);
	}
	natsSubscription_Destroy(sub);
	return 1;
}

static int no_responders(void)
{
	natsMsg *msg = NULL;
	natsStatus s = natsConnection_RequestString(&msg, nc, "c.nobody", "x", patience_ms);
	WANT("status is not NATS_NO_RESPONDERS", s == NATS_NO_RESPONDERS);
	return 1;
}

static int queue_group(void)
{
	natsSubscription *subs[3];
	int64_t total = 0;
	for (int i = 0; i < 3; i++)
		CHECK("subscribe", natsConnection_QueueSubscribeSync(&subs[i], nc, "c.q", "g"));
	CHECK("flush", natsConnection_Flush(nc));
	for (int i = 0; i < 300; i++)
		CHECK("publish", natsConnection_PublishString(other, "c.q", "x"));
	CHECK("flush", natsConnection_Flush(other));
	CHECK("flush", natsConnection_Flush(nc));
	for (int i = 0; i < 3; i++) {
		uint64_t queued = 0;
		CHECK("queued", natsSubscription_QueuedMsgs(subs[i], &queued));
		total += (int64_t)queued;
		natsSubscription_Destroy(subs[i]);
	}
	WANT("the group did not get each message once", total == 300);
	return 1;
}

static int header(void)
{
	natsSubscription *sub = NULL;
	natsMsg *msg = NULL, *in = NULL;
	const char *value = NULL;
	CHECK("subscribe", natsConnection_SubscribeSync(&sub, nc, "c.h"));
	CHECK("flush", natsConnection_Flush(nc));
	CHECK("create", natsMsg_Create(&msg, "c.h", NULL, "body", 4));
	CHECK("set", natsMsgHeader_Set(msg, "Colour", "red"));
	CHECK("publish", natsConnection_PublishMsg(other, msg));
	CHECK("next", natsSubscription_NextMsg(&in, sub, patience_ms));
	CHECK("get", natsMsgHeader_Get(in, "Colour", &value));
	WANT("value", strcmp(value, "red") == 0);
	WANT("body", natsMsg_GetDataLength(in) == 4);
	natsMsg_Destroy(msg);
	natsMsg_Destroy(in);
	natsSubscription_Destroy(sub);
	return 1;
}

static int large(void)
{
	enum { size = 1024 * 1024 };
	natsSubscription *sub = NULL;
	natsMsg *msg = NULL;
	char *data = malloc(size);
	WANT("memory", data != NULL);
	memset(data, 'L', size);
	CHECK("subscribe", natsConnection_SubscribeSync(&sub, nc, "c.big"));
	CHECK("flush", natsConnection_Flush(nc));
	CHECK("publish", natsConnection_Publish(other, "c.big", data, size));
	CHECK("next", natsSubscription_NextMsg(&msg, sub, patience_ms));
	WANT("content", natsMsg_GetDataLength(msg) == size && memcmp(natsMsg_GetData(msg), data, size) == 0);
	natsMsg_Destroy(msg);
	natsSubscription_Destroy(sub);
	free(data);
	return 1;
}

static int drain(void)
{
	natsSubscription *sub = NULL;
	CHECK("subscribe", natsConnection_SubscribeSync(&sub, nc, "c.d"));
	CHECK("flush", natsConnection_Flush(nc));
	for (int i = 0; i < 100; i++)
		CHECK("publish", natsConnection_PublishString(other, "c.d", "x"));
	CHECK("flush", natsConnection_Flush(other));
	CHECK("drain", natsSubscription_Drain(sub));
	for (int i = 0; i < 100; i++) {
		natsMsg *msg = NULL;
		CHECK("next", natsSubscription_NextMsg(&msg, sub, patience_ms));
		natsMsg_Destroy(msg);
	}
	CHECK("end of drain", natsSubscription_WaitForDrainCompletion(sub, patience_ms));
	natsSubscription_Destroy(sub);
	return 1;
}

static void run(const char *name, int (*body)(void))
{
	if (body()) {
		passed++;
		printf("ok %s\n", name);
	} else {
		failed++;
		printf("FAIL %s\n", name);
	}
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: smoke nats://host:port\n");
		return 2;
	}
	natsStatus s = natsConnection_ConnectTo(&nc, argv[1]);
	if (s == NATS_OK)
		s = natsConnection_ConnectTo(&other, argv[1]);
	if (s != NATS_OK) {
		printf("FAIL connect: %s\n", natsStatus_GetText(s));
		return 1;
	}
	run("publish and subscribe", publish_subscribe);
	run("request and reply", request_reply);
	run("no responders", no_responders);
	run("queue group", queue_group);
	run("headers", header);
	run("large payload", large);
	run("drain", drain);
	natsConnection_Destroy(nc);
	natsConnection_Destroy(other);
	nats_Close();
	printf("%d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}
