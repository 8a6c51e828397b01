/*
 * A lexer of TOML that knows no more than what hides a key or ends a value: the
 * four kinds of strings, comments, brackets. It goes byte by byte, so that it
 * needs to keep nothing of a value. What is no TOML may be hidden wrongly, and
 * then the parser refuses it.
 *
 *   key = value        a key's last word stands before the `=`
 *   { key = value, … } a comma or bracket ends a value inside a table
 */

#include "veil.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/secret.h"

/* What passes through locked memory at once. */
#define WINDOW_SIZE 4096
#define WORD_MAX 64
#define HIDDEN 'x'
/* A number instead, where there are no quotes: what was TOML stays TOML. */
#define HIDDEN_BARE '1'
/* In `kinds` beside the kind itself. */
#define HIDDEN_BIT 0x40

/* A crates.io token: "cio" and 32 letters and digits. */
#define TOKEN_START "cio"
#define TOKEN_SIZE 35

enum state {
	STATE_BARE,
	STATE_COMMENT,
	STATE_OPENING, /* one or two quotes: a string, an empty one, or half of three */
	STATE_STRING,
	STATE_LONG_STRING,
	STATE_CLOSING, /* three quotes ended it, and two more may belong to it */
};

struct lexer {
	struct veiled *out;
	enum state state;
	char quote;
	unsigned n_quotes;
	bool is_escaped;
	/* The last word before here, if it fits; with an escape in it, it could be any. */
	char word[WORD_MAX];
	size_t word_size;
	bool word_is_odd;
	unsigned depth;
	bool is_hiding;
	unsigned hiding_depth;
	/* How many bytes before here could begin a token. */
	size_t n_token;
	size_t line;
};

static void word_clear(struct lexer *lexer) {
	lexer->word_size = 0;
	lexer->word_is_odd = false;
}

/* Never of what is hidden: a key is all that this is for. */
static void word_add(struct lexer *lexer, char c) {
	if (lexer->is_hiding)
		return;
	if (lexer->word_size < WORD_MAX)
		lexer->word[lexer->word_size] = c;
	lexer->word_size++;
}

static bool word_is(const struct lexer *lexer, const char *text) {
	return lexer->word_size == strlen(text) && memcmp(lexer->word, text, lexer->word_size) == 0;
}

/* [env] gives variables to programs that cargo runs, so X_TOKEN is one of them. */
static bool word_is_secret(const struct lexer *lexer) {
	static const char end[] = "_TOKEN";
	size_t size = sizeof(end) - 1;

	if (lexer->word_is_odd || word_is(lexer, "token") || word_is(lexer, "secret-key"))
		return true;
	return lexer->word_size >= size && lexer->word_size <= WORD_MAX &&
	       memcmp(lexer->word + lexer->word_size - size, end, size) == 0;
}

static void put(struct lexer *lexer, char c, enum veil_kind kind, bool is_hidden) {
	struct veiled *out = lexer->out;

	if (is_hidden)
		c = kind == VEIL_PLAIN ? HIDDEN_BARE : HIDDEN;
	out->text[out->size] = c;
	out->kinds[out->size] = (char) ((unsigned) kind | (is_hidden ? HIDDEN_BIT : 0));
	out->size++;
}

/* In the middle of a string or a bare value. */
static void put_value(struct lexer *lexer, char c, enum veil_kind kind) {
	lexer->out->has_secret = lexer->out->has_secret || lexer->is_hiding;
	put(lexer, c, kind, lexer->is_hiding);
}

static void end_value(struct lexer *lexer) {
	word_clear(lexer);
	if (lexer->is_hiding && lexer->depth <= lexer->hiding_depth)
		lexer->is_hiding = false;
}

static void lex_bare(struct lexer *lexer, char c) {
	bool is_value = false;

	if (c == '#') {
		lexer->state = STATE_COMMENT;
	} else if (c == '"' || c == '\'') {
		lexer->state = STATE_OPENING;
		lexer->quote = c;
		lexer->n_quotes = 1;
		put(lexer, c, VEIL_STRING, false);
		return;
	} else if (c == '=') {
		if (!lexer->is_hiding && word_is_secret(lexer)) {
			lexer->is_hiding = true;
			lexer->hiding_depth = lexer->depth;
		}
		word_clear(lexer);
	} else if (c == '[' || c == '{') {
		lexer->depth++;
		word_clear(lexer);
	} else if (c == ']' || c == '}') {
		lexer->depth -= lexer->depth > 0;
		/* The table around the value ends; a list that is the value does not end it. */
		if (lexer->depth < lexer->hiding_depth)
			lexer->is_hiding = false;
	} else if (c == '\n' || (c == ',' && lexer->depth > 0)) {
		end_value(lexer);
	} else if (c == '.' && !lexer->is_hiding) {
		word_clear(lexer);
	} else if (c != ' ' && c != '\t' && c != '\r') {
		is_value = true;
		word_add(lexer, c);
	}
	/* Deeper inside it may be a key, which has to stay what it is. */
	if (is_value && lexer->depth == lexer->hiding_depth)
		put_value(lexer, c, VEIL_PLAIN);
	else
		put(lexer, c, c == '#' ? VEIL_COMMENT : VEIL_PLAIN, false);
}

static void lex_comment(struct lexer *lexer, char c) {
	if (c == '\n') {
		lexer->state = STATE_BARE;
		lex_bare(lexer, c);
		return;
	}
	put(lexer, c, VEIL_COMMENT, c != '\r');
}

static void lex_string(struct lexer *lexer, char c) {
	bool is_long = lexer->state == STATE_LONG_STRING;

	if (lexer->is_escaped) {
		lexer->is_escaped = false;
	} else if (c == '\\' && lexer->quote == '"') {
		lexer->is_escaped = true;
		lexer->word_is_odd = true;
	} else if (c == lexer->quote) {
		lexer->n_quotes++;
		if (!is_long || lexer->n_quotes == 3)
			lexer->state = is_long ? STATE_CLOSING : STATE_BARE;
		put(lexer, c, VEIL_STRING, false);
		return;
	} else if (c == '\n' && !is_long) {
		lexer->state = STATE_BARE;
		lex_bare(lexer, c);
		return;
	}
	lexer->n_quotes = 0;
	word_add(lexer, c);
	if (c == '\n')
		put(lexer, c, VEIL_STRING, false);
	else
		put_value(lexer, c, VEIL_STRING);
}

static void lex_opening(struct lexer *lexer, char c) {
	if (c == lexer->quote) {
		if (++lexer->n_quotes == 3) {
			lexer->state = STATE_LONG_STRING;
			lexer->n_quotes = 0;
		}
		put(lexer, c, VEIL_STRING, false);
	} else if (lexer->n_quotes == 1) {
		lexer->state = STATE_STRING;
		lexer->n_quotes = 0;
		lex_string(lexer, c);
	} else {
		lexer->state = STATE_BARE;
		lex_bare(lexer, c);
	}
}

static void lex_closing(struct lexer *lexer, char c) {
	if (c == lexer->quote && ++lexer->n_quotes <= 5) {
		put(lexer, c, VEIL_STRING, false);
		return;
	}
	lexer->state = STATE_BARE;
	lex_bare(lexer, c);
}

static void lex(struct lexer *lexer, char c) {
	switch (lexer->state) {
	case STATE_BARE:
		lex_bare(lexer, c);
		return;
	case STATE_COMMENT:
		lex_comment(lexer, c);
		return;
	case STATE_OPENING:
		lex_opening(lexer, c);
		return;
	case STATE_STRING:
	case STATE_LONG_STRING:
		lex_string(lexer, c);
		return;
	case STATE_CLOSING:
		lex_closing(lexer, c);
		return;
	}
}

/* What looks like a token is hidden wherever it stands, at the moment when it does. */
static void watch_token(struct lexer *lexer, char c) {
	static const char start[] = TOKEN_START;
	struct veiled *out = lexer->out;
	size_t n_start = sizeof(start) - 1;
	bool fits = lexer->n_token < n_start ? c == start[lexer->n_token]
					     : isalnum((unsigned char) c) != 0;

	lexer->n_token = fits ? lexer->n_token + 1 : c == start[0];
	if (lexer->n_token < TOKEN_SIZE)
		return;
	for (size_t i = out->size - lexer->n_token; i < out->size; i++) {
		out->text[i] = HIDDEN;
		out->kinds[i] = (char) (out->kinds[i] | HIDDEN_BIT);
	}
	if (out->stray_line == 0 && !lexer->is_hiding)
		out->stray_line = lexer->line;
}

static int read_through(int fd, size_t max, struct secret *window, struct lexer *lexer) {
	for (;;) {
		ssize_t n = read(fd, secret_bytes(window), WINDOW_SIZE);
		const uint8_t *bytes = secret_peek(window);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		if (lexer->out->size + (size_t) n > max)
			return -E2BIG;
		for (size_t i = 0; i < (size_t) n; i++) {
			bool was_hiding = lexer->is_hiding;

			lex(lexer, (char) bytes[i]);
			/* Not where the value's own key has told it already. */
			if (!was_hiding)
				watch_token(lexer, (char) bytes[i]);
			else
				lexer->n_token = 0;
			lexer->line += bytes[i] == '\n';
		}
	}
}

/* O_NONBLOCK: a FIFO in the place of the file must not hold us. */
static int open_file(const char *path, int *ret) {
	_cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
	*ret = TAKE_FD(fd);
	return 0;
}

int veil_read(const char *path, size_t max, struct veiled *ret) {
	_cleanup_(veiled_done) struct veiled out = {0};
	_cleanup_(secret_freep) struct secret *window = NULL;
	_cleanup_(fd_closep) int fd = -1;
	struct lexer lexer = {.out = &out, .line = 1};
	int r;

	r = open_file(path, &fd);
	if (r < 0)
		return r;
	r = secret_new(WINDOW_SIZE, &window);
	if (r < 0)
		return r;
	/* At once in full: a buffer that grows leaves copies behind. */
	out.text = malloc(max + 1);
	out.kinds = malloc(max + 1);
	if (!out.text || !out.kinds)
		return -ENOMEM;
	r = read_through(fd, max, window, &lexer);
	/* The last words of a key may be the start of a value that was none. */
	explicit_bzero(lexer.word, sizeof(lexer.word));
	if (r < 0)
		return r;
	out.text[out.size] = '\0';
	out.kinds[out.size] = VEIL_PLAIN;
	*ret = out;
	out = (struct veiled){0};
	return 0;
}

void veiled_done(struct veiled *veiled) {
	free(veiled->text);
	free(veiled->kinds);
	*veiled = (struct veiled){0};
}

enum veil_kind veiled_kind(const struct veiled *veiled, size_t at) {
	return (enum veil_kind)(veiled->kinds[at] & ~HIDDEN_BIT);
}

bool veiled_hides(const struct veiled *veiled, size_t from, size_t to) {
	for (size_t i = from; i < to; i++) {
		if (veiled->kinds[i] & HIDDEN_BIT)
			return true;
	}
	return false;
}
