#include "auth/keystore/key_description.h"

#include "plugin/contract/text.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>
#include <new>
#include <span>

namespace auth {

namespace {

// Certificates without an end say 9999 (RFC 5280 section 4.1.2.5); our time ends in April of the year after.
constexpr int lastYear = 2261;

/// What `print` writes.
template <class Print>
std::string printed(Print print) {
    const std::unique_ptr<BIO, decltype(&BIO_free_all)> bio(BIO_new(BIO_s_mem()), &BIO_free_all);
    if (!bio) throw std::bad_alloc();
    print(bio.get());
    char* text = nullptr;
    const long length = BIO_get_mem_data(bio.get(), &text);
    return length > 0 ? std::string(text, static_cast<std::size_t>(length)) : std::string{};
}

std::string textOf(const X509_NAME* name) {
    return printed([&](BIO* into) { X509_NAME_print_ex(into, name, 0, XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB)); });
}

plugin::Wall timeOf(const ASN1_TIME* time) {
    std::tm parts{};
    if (ASN1_TIME_to_tm(time, &parts) != 1) return {};
    using namespace std::chrono;
    if (parts.tm_year + 1900 > lastYear) return floor<seconds>(plugin::Wall::max());
    const auto day = sys_days(year(parts.tm_year + 1900) / (parts.tm_mon + 1) / parts.tm_mday);
    return day + hours(parts.tm_hour) + minutes(parts.tm_min) + seconds(parts.tm_sec);
}

std::string typeOf(EVP_PKEY* key) {
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
        std::array<char, 64> curve{};
        std::size_t length = 0;
        if (EVP_PKEY_get_group_name(key, curve.data(), curve.size(), &length) != 1) return "EC";
        const auto* const known = EC_curve_nid2nist(OBJ_txt2nid(curve.data()));
        return std::string("EC ") + (known != nullptr ? known : curve.data());
    }
    const auto* const name = EVP_PKEY_get0_type_name(key);
    return std::string(name != nullptr ? name : "unknown") + " " + std::to_string(EVP_PKEY_get_bits(key));
}

std::string thumbprint(X509& certificate, const EVP_MD* algorithm) {
    const auto digest = digestOf(certificate, algorithm);
    auto text = plugin::hexText(std::span(reinterpret_cast<const std::uint8_t*>(digest.data()), digest.size()));
    std::transform(text.begin(), text.end(), text.begin(), [](char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); });
    return text;
}

}  // namespace

KeyDescription describe(const KeyEntry& entry) {
    auto& certificate = *entry.certificate;
    return {entry.alias,
            textOf(X509_get_subject_name(&certificate)),
            textOf(X509_get_issuer_name(&certificate)),
            timeOf(X509_get0_notBefore(&certificate)),
            timeOf(X509_get0_notAfter(&certificate)),
            typeOf(entry.key.get()),
            thumbprint(certificate, EVP_sha1()),
            thumbprint(certificate, EVP_sha256())};
}

std::string pemOf(X509& certificate) {
    return printed([&](BIO* into) {
        if (PEM_write_bio_X509(into, &certificate) != 1) throw std::bad_alloc();
    });
}

std::string digestOf(X509& certificate, const EVP_MD* algorithm) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned length = 0;
    if (X509_digest(&certificate, algorithm, bytes.data(), &length) != 1) throw std::bad_alloc();
    return {reinterpret_cast<const char*>(bytes.data()), length};
}

}  // namespace auth
