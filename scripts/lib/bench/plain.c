/* The plainest collector there can be, to see what the same work costs on the same machine without any promise: no
   check of a value, no rule, no journal, one message for each reading.

       plain parse FILE SECONDS                frames per second, five times
       plain publish PORT SIZE WINDOW SECONDS  acknowledged messages per second, so many under way
       plain collect PORT TERMINAL…            publishes what the meters at these terminals send, until it is ended
*/
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <mosquitto.h>
#include <poll.h>
#include <signal.h>
#include <sml/sml_crc16.h>
#include <sml/sml_file.h>
#include <sml/sml_value.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST = 4096, SHORTEST = 16, TERMINALS = 1024, KEEP_ALIVE = 60 };

static void fail(const char *what) {
    fprintf(stderr, "plain: %s\n", what);
    exit(1);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

typedef struct {
    char name[16], topic[64];
    unsigned char bytes[LARGEST];
    size_t length;
    long number;
} Meter;

/* --- One file ---------------------------------------------------------------------------------------------------- */

/* NULL where the checksum is wrong. */
static sml_file *take_apart(unsigned char *file, size_t length) {
    uint16_t checksum = sml_crc16_calculate(file, length - 2);
    uint16_t low_first = file[length - 1] << 8 | file[length - 2];
    uint16_t high_first = file[length - 2] << 8 | file[length - 1];
    if (checksum != low_first && checksum != high_first) return NULL;
    return sml_file_parse(file + 8, length - 16);
}

static sml_list *registers(const sml_file *file) {
    for (int i = 0; i < file->messages_len; i++) {
        if (*file->messages[i]->message_body->tag != SML_MESSAGE_GET_LIST_RESPONSE) continue;
        return ((sml_get_list_response *)file->messages[i]->message_body->data)->val_list;
    }
    return NULL;
}

static int is_number(const sml_list *entry) {
    int kind = entry->value ? entry->value->type & SML_TYPE_FIELD : 0;
    return kind == SML_TYPE_INTEGER || kind == SML_TYPE_UNSIGNED;
}

static int scaler(const sml_list *entry) { return entry->scaler ? *entry->scaler : 0; }

static double scaled(sml_list *entry) { return sml_value_to_double(entry->value) * pow(10, scaler(entry)); }

/* Returns the length, or 0 where there is no room. */
static int write_json(const Meter *meter, const sml_file *file, char *json, size_t room) {
    size_t place = snprintf(json, room, "{\"meter\":\"%s\",\"seq\":%ld,\"registers\":{", meter->name, meter->number);
    const char *comma = "";
    for (sml_list *entry = registers(file); entry && place < room; entry = entry->next) {
        if (!is_number(entry)) continue;
        const unsigned char *code = entry->obj_name->str;
        place += snprintf(
            json + place, room - place, "%s\"%d-%d:%d.%d.%d*%d\":{\"value\":%.*f,\"unit\":%d}", comma, code[0], code[1],
            code[2], code[3], code[4], code[5], scaler(entry) < 0 ? -scaler(entry) : 0, scaled(entry),
            entry->unit ? *entry->unit : 0);
        comma = ",";
    }
    place += place < room ? snprintf(json + place, room - place, "}}") : 0;
    return place < room ? (int)place : 0;
}

static int parse(const char *path, double duration) {
    unsigned char bytes[LARGEST];
    FILE *input = fopen(path, "rb");
    size_t length = input ? fread(bytes, 1, sizeof bytes, input) : 0;
    double sum = 0;
    if (length < SHORTEST) fail("there is no such file");
    for (int sample = 0; sample < 5; sample++) {
        double begin = seconds(), end;
        long count = 0;
        do {
            for (int i = 0; i < 256; i++, count++) {
                sml_file *file = take_apart(bytes, length);
                if (!file) fail("the checksum is wrong");
                for (sml_list *entry = registers(file); entry; entry = entry->next)
                    if (is_number(entry)) sum += scaled(entry);
                sml_file_free(file);
            }
            end = seconds();
        } while (end - begin < duration);
        printf("%.0f\n", count / (end - begin));
    }
    return sum == 0;
}

/* --- The broker -------------------------------------------------------------------------------------------------- */

static long acknowledged;

static void count_acknowledgement(struct mosquitto *client, void *context, int number) {
    (void)client, (void)context, (void)number;
    acknowledged++;
}

static struct mosquitto *connect_to(int port) {
    mosquitto_lib_init();
    struct mosquitto *client = mosquitto_new("plain", true, NULL);
    mosquitto_max_inflight_messages_set(client, 0);
    mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_publish_callback_set(client, count_acknowledgement);
    if (mosquitto_connect(client, "127.0.0.1", port, KEEP_ALIVE)) fail("no broker");
    return client;
}

/* Waits for the broker, and for others, as long as nothing of it is there. */
static void serve(struct mosquitto *client, struct pollfd *waits, int count) {
    waits[0].fd = mosquitto_socket(client);
    waits[0].events = mosquitto_want_write(client) ? POLLIN | POLLOUT : POLLIN;
    if (poll(waits, count, 1000) < 0 && errno != EINTR) fail("poll");
    int error = 0;
    if (waits[0].revents & (POLLIN | POLLHUP)) error = mosquitto_loop_read(client, 16);
    if (!error && waits[0].revents & POLLOUT) error = mosquitto_loop_write(client, 16);
    if (error || mosquitto_loop_misc(client)) fail("the broker is gone");
}

static int publish(int port, int size, int window, double duration) {
    struct mosquitto *client = connect_to(port);
    struct pollfd waits[1];
    char *payload = calloc(1, size);
    long sent = 0;
    double begin = seconds();
    while (seconds() - begin < duration) {
        for (; sent - acknowledged < window; sent++)
            if (mosquitto_publish(client, NULL, "obisd/bench/m00000/plain", size, payload, 1, false)) fail("publish");
        serve(client, waits, 1);
    }
    printf("%.0f\n", acknowledged / (seconds() - begin));
    return 0;
}

/* --- The meters -------------------------------------------------------------------------------------------------- */

static int open_terminal(const char *path) {
    struct termios settings;
    int descriptor = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (descriptor < 0 || tcgetattr(descriptor, &settings)) fail("there is no such terminal");
    cfmakeraw(&settings);
    cfsetspeed(&settings, B9600);
    tcsetattr(descriptor, TCSAFLUSH, &settings);
    return descriptor;
}

/* The length of the first file, which ends with four escapes, 1a, the number of fill bytes and the checksum; 0 where it
   is not whole. */
static size_t whole(const Meter *meter) {
    static const unsigned char end[] = {0x1b, 0x1b, 0x1b, 0x1b, 0x1a};
    for (size_t place = 8; place + 8 <= meter->length; place += 4)
        if (!memcmp(meter->bytes + place, end, sizeof end)) return place + 8;
    return 0;
}

static void publish_file(struct mosquitto *client, Meter *meter, size_t length) {
    char json[LARGEST];
    sml_file *file = take_apart(meter->bytes, length);
    if (!file) return;
    meter->number++;
    int size = write_json(meter, file, json, sizeof json);
    sml_file_free(file);
    if (size && mosquitto_publish(client, NULL, meter->topic, size, json, 1, false)) fail("publish");
}

static void hear(struct mosquitto *client, Meter *meter, int descriptor) {
    ssize_t count = read(descriptor, meter->bytes + meter->length, sizeof meter->bytes - meter->length);
    if (count <= 0) return;
    meter->length += count;
    for (size_t length; (length = whole(meter));) {
        publish_file(client, meter, length);
        meter->length -= length;
        memmove(meter->bytes, meter->bytes + length, meter->length);
    }
}

_Noreturn static void collect(int port, int count, char **paths) {
    static Meter meters[TERMINALS];
    struct pollfd waits[TERMINALS + 1];
    struct mosquitto *client = connect_to(port);
    if (count > TERMINALS) fail("too many terminals");
    for (int i = 0; i < count; i++) {
        snprintf(meters[i].name, sizeof meters[i].name, "m%05d", i);
        snprintf(meters[i].topic, sizeof meters[i].topic, "obisd/bench/m%05d/reading", i);
        waits[i + 1] = (struct pollfd){.fd = open_terminal(paths[i]), .events = POLLIN};
    }
    for (;;) {
        serve(client, waits, count + 1);
        for (int i = 0; i < count; i++)
            if (waits[i + 1].revents & POLLIN) hear(client, &meters[i], waits[i + 1].fd);
    }
}

int main(int count, char **arguments) {
    if (count == 4 && !strcmp(arguments[1], "parse")) return parse(arguments[2], atof(arguments[3]));
    if (count == 6 && !strcmp(arguments[1], "publish"))
        return publish(atoi(arguments[2]), atoi(arguments[3]), atoi(arguments[4]), atof(arguments[5]));
    if (count > 3 && !strcmp(arguments[1], "collect")) collect(atoi(arguments[2]), count - 3, arguments + 3);
    return 64;
}
