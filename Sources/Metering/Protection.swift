import COSEM
import OBIS

extension Telegram {
    /// Less protection than the configured keys promise: whoever has the line could have sent it.
    mutating func noteWeakness(against keys: CipheringKeys) {
        guard let ciphering else {
            if keys.encryption != nil {
                warnings.append("the message is not encrypted, although an encryption key is configured")
            }
            return
        }
        if keys.authentication != nil, !ciphering.isAuthenticated {
            warnings.append("the message carries no authentication tag, although an authentication key is configured")
        }
    }
}
